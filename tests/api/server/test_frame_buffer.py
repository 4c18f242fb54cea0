"""The buffer returns whole frames, and refuses by the head what the parser would refuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side
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
    buffer, data, found = FrameBuffer(), b"".join(frames), []
    for start in range(0, len(data), piece_bytes):
        buffer += data[start : start + piece_bytes]
        while buffer.has_frame(70_000):
            found.append(buffer.take(70_000))
        assert buffer.take(70_000) is None
    assert found == frames
    assert not buffer


_FRAGMENT_BYTES = 256 * 1024


def parsed(*frames: bytes) -> tuple[list[tuple[Opcode, bytes]], str]:
    """Return the messages and control frames that websockets' parser makes of ``frames``.

    And the violation of the protocol that it has found, if any.
    """
    protocol = Protocol(Side.SERVER, max_size=10_000_000)
    for each in frames:
        protocol.receive_data(each)
    messages: list[tuple[Opcode, bytes]] = []
    parts, opcode = b"", Opcode.BINARY
    for event in protocol.events_received():
        assert isinstance(event, Frame)
        if event.opcode in (Opcode.PING, Opcode.PONG):
            messages.append((event.opcode, bytes(event.data)))
            continue
        opcode = opcode if event.opcode is Opcode.CONT else event.opcode
        parts += event.data
        if event.fin:
            messages.append((opcode, parts))
            parts = b""
    return messages, str(protocol.parser_exc or "")


def taken(data: bytes, cuts: list[int], max_payload_bytes: int) -> list[bytes]:
    """Return what a buffer gives that gets ``data``, cut at ``cuts``."""
    buffer, found = FrameBuffer(), []
    for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True):
        buffer += data[start:stop]
        while (each := buffer.take(max_payload_bytes)) is not None:
            found.append(each)
    return found


_LENGTHS = st.sampled_from(
    [0, 5, 125, 126, 65536, _FRAGMENT_BYTES, _FRAGMENT_BYTES + 1, 2 * _FRAGMENT_BYTES, 700_001]
)
_FRAMES = st.lists(
    st.tuples(
        st.sampled_from([Opcode.BINARY, Opcode.TEXT, Opcode.CONT, Opcode.PING]),
        _LENGTHS,
        st.booleans(),
        st.sampled_from([0, 0, 0, 0, 0x40]),  # a reserved bit
    ),
    max_size=4,
)


@given(_FRAMES, st.lists(st.integers(0, 3_000_000), max_size=6))
def test_the_parser_makes_the_same_of_large_frames_in_parts(
    frames: list[tuple[Opcode, int, bool, int]], positions: list[int]
) -> None:
    data = bytearray()
    for number, (opcode, size, fin, reserved) in enumerate(frames):
        payload = (bytes(range(number, 251)) * (size // 200 + 1))[:size]
        data += bytes([fin << 7 | reserved | opcode]) + frame(payload)[1:]
    cuts = sorted(min(position, len(data)) for position in positions)
    messages, violation = parsed(bytes(data))
    in_parts, violation_in_parts = parsed(*taken(bytes(data), cuts, 10_000_000))
    assert in_parts == messages
    assert bool(violation_in_parts) == bool(violation)


def test_a_large_frame_comes_out_in_parts_as_it_arrives() -> None:
    data = frame(bytes(range(256)) * 10_000)
    cuts = list(range(65536, len(data), 65536))
    parts = taken(data, cuts, 10_000_000)
    assert [len(part) - 14 for part in parts] == [_FRAGMENT_BYTES] * 9 + [200_704]
    assert parsed(*parts) == ([(Opcode.BINARY, bytes(range(256)) * 10_000)], "")


def test_a_buffer_that_is_cleared_begins_with_a_new_frame() -> None:
    buffer = FrameBuffer(frame(bytes(1_000_000))[:500_000])
    assert buffer.take(1_000_000) is not None
    buffer.clear()
    following = frame(b"next")
    buffer += following
    assert buffer.take(1_000_000) == following


@pytest.mark.parametrize(
    "head",
    [b"\x83\x80", b"\x82\x7e", frame(bytes(1001))[:4], b"\x82\xff" + b"\xff" * 8],
    ids=["opcode", "not masked", "too large", "far too large"],
)
def test_what_the_parser_refuses_by_the_head_is_taken_at_once(head: bytes) -> None:
    buffer = FrameBuffer(head)
    assert buffer.take(1000) == head


def test_a_large_frame_that_the_parser_refuses_is_not_taken_in_parts() -> None:
    data = b"\x83" + frame(bytes(400_000))[1:] + frame(b"next")
    buffer = FrameBuffer(data)
    assert buffer.take(1_000_000) == data
    assert not buffer
    assert not buffer.has_frame(1_000_000)


def test_payloads_are_unmasked_by_c_code() -> None:
    assert type(apply_mask).__name__ == "builtin_function_or_method"
