"""The buffer returns whole frames, and refuses by the head what the parser would refuse."""

import pytest
from websockets.frames import Frame, Opcode
from websockets.speedups import apply_mask

from api.server.frame_buffer import FrameBuffer, binary_message

_SIZES = [0, 1, 125, 126, 127, 65535, 65536, 70_000]


def frame(payload: bytes, opcode: Opcode = Opcode.BINARY, *, fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin=fin).serialize(mask=True)


@pytest.mark.parametrize("size_bytes", _SIZES)
def test_a_message_of_one_frame_is_its_payload(size_bytes: int) -> None:
    payload = (bytes(range(251)) * 300)[:size_bytes]
    assert binary_message(frame(payload)) == payload


@pytest.mark.parametrize("size_bytes", _SIZES)
def test_less_or_more_than_one_frame_is_no_message(size_bytes: int) -> None:
    whole = frame(bytes(size_bytes))
    assert binary_message(whole + b"\0") is None
    for part_bytes in {*range(min(20, len(whole))), len(whole) - 1}:
        assert binary_message(whole[:part_bytes]) is None


@pytest.mark.parametrize(
    "data",
    [
        frame(b"text", Opcode.TEXT),
        frame(b"part", fin=False),
        frame(b"", Opcode.PING),
        *(Frame(Opcode.BINARY, bytes(size)).serialize(mask=False) for size in (0, 4, 126, 65536)),
        b"\xc2" + frame(b"reserved bit")[1:],
    ],
    ids=["text", "fragment", "ping", "plain 0", "plain 4", "plain 126", "plain 65536", "reserved"],
)
def test_another_frame_is_no_binary_message(data: bytes) -> None:
    assert binary_message(data) is None


@pytest.mark.parametrize("piece_bytes", [1, 5, 1000, 1_000_000])
def test_frames_are_taken_whole_and_in_order(piece_bytes: int) -> None:
    frames = [frame(bytes([number]) * size) for number, size in enumerate(_SIZES)]
    buffer, data, taken = FrameBuffer(), b"".join(frames), []
    for start in range(0, len(data), piece_bytes):
        buffer += data[start : start + piece_bytes]
        while buffer.has_frame(70_000):
            taken.append(buffer.take(70_000))
        assert buffer.take(70_000) is None
    assert taken == frames
    assert not buffer


@pytest.mark.parametrize(
    "head",
    [b"\x83\x80", b"\x82\x7e", frame(bytes(1001))[:4], b"\x82\xff" + b"\xff" * 8],
    ids=["opcode", "not masked", "too large", "far too large"],
)
def test_what_the_parser_refuses_by_the_head_is_taken_at_once(head: bytes) -> None:
    buffer = FrameBuffer(head)
    assert buffer.take(1000) == head


def test_payloads_are_unmasked_by_c_code() -> None:
    assert type(apply_mask).__name__ == "builtin_function_or_method"
