"""The WebSocket protocol class conforms to RFC 6455, and agrees with websockets' own parser.

Each row gives a client's bytes, and what the server receives and answers. With and without a
callback of the handler, and however the bytes are cut, the outcome is the same.
"""

import random
import struct
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from websockets.frames import Opcode

from tests.api.server.wire import (
    MAX_MESSAGE_BYTES,
    Handler,
    Message,
    Outcome,
    expected_of,
    outcome_of,
)

BINARY, TEXT, CONT = Opcode.BINARY, Opcode.TEXT, Opcode.CONT
PING, PONG, CLOSE = Opcode.PING, Opcode.PONG, Opcode.CLOSE

_MASK = b"\x11\x80\xfe\x7f"


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    is_masked: bool = True,
    length_bytes: int | None = None,
    declared: int | None = None,
) -> bytes:
    """Return a frame, with any length field and any ``declared`` length."""
    length = len(payload) if declared is None else declared
    if length_bytes is None:
        length_bytes = 0 if length < 126 else 2 if length < 65536 else 8
    code = {0: length, 2: 126, 8: 127}[length_bytes]
    head = bytes([fin << 7 | reserved << 4 | opcode, is_masked << 7 | code])
    head += length.to_bytes(length_bytes, "big") if length_bytes else b""
    if not is_masked:
        return head + payload
    return head + _MASK + bytes(byte ^ _MASK[at % 4] for at, byte in enumerate(payload))


def close_frame(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, struct.pack("!H", code) + reason)


class Case(NamedTuple):
    name: str
    data: bytes
    messages: list[Message]
    close: tuple[int, str] | None = None
    pongs: tuple[bytes, ...] = ()


_SMILE = "κόσμε 🎙".encode()
_A = frame(BINARY, b"a")

CASES = [
    Case("an empty message", frame(BINARY), [b""]),
    Case("an empty text", frame(TEXT), [""]),
    Case("a message of 125 bytes", frame(BINARY, b"x" * 125), [b"x" * 125]),
    Case("a message of 126 bytes", frame(BINARY, b"x" * 126), [b"x" * 126]),
    Case("a message of the largest size", frame(BINARY, bytes(2000)), [bytes(2000)]),
    Case("a length of more bytes than needed", frame(BINARY, b"x", length_bytes=8), [b"x"]),
    Case("text and binary in order", _A + frame(TEXT, b"b") + _A, [b"a", "b", b"a"]),
    Case(
        "fragments with controls between",
        frame(BINARY, b"a", fin=False)
        + frame(PING, b"1")
        + frame(CONT, b"", fin=False)
        + frame(PONG, b"2")
        + frame(CONT, b"c")
        + _A,
        [b"ac", b"a"],
        pongs=(b"1",),
    ),
    Case(
        "text split inside of a character",
        frame(TEXT, _SMILE[:1], fin=False)
        + frame(CONT, _SMILE[1:-2], fin=False)
        + frame(CONT, _SMILE[-2:]),
        [_SMILE.decode()],
    ),
    Case("a ping of 125 bytes", frame(PING, b"p" * 125), [], pongs=(b"p" * 125,)),
    Case("an empty ping", frame(PING), [], pongs=(b"",)),
    Case("a pong that was not asked for", frame(PONG, b"x") + _A, [b"a"]),
    Case("a ping of 126 bytes", frame(PING, b"p" * 126), [], (1002, "control frame too long")),
    Case("a fragmented ping", frame(PING, fin=False), [], (1002, "fragmented control frame")),
    *(
        Case(
            f"the reserved bit {bit}",
            _A + frame(BINARY, b"b", reserved=bit) + _A,
            [b"a"],
            (1002, "reserved bits must be 0"),
        )
        for bit in (1, 2, 4)
    ),
    *(
        Case(f"the opcode {opcode}", _A + frame(opcode, b"b"), [b"a"], (1002, "invalid opcode"))
        for opcode in (3, 7, 11, 15)
    ),
    Case(
        "a frame that is not masked",
        _A * 3 + frame(BINARY, b"b", is_masked=False) + _A,
        [b"a"] * 3,
        (1002, "incorrect masking"),
    ),
    Case("a continuation of nothing", frame(CONT), [], (1002, "unexpected continuation frame")),
    Case(
        "a message inside of another",
        frame(BINARY, b"a", fin=False) + _A,
        [],
        (1002, "expected a continuation frame"),
    ),
    Case(
        "a message above the limit",
        _A + frame(BINARY, declared=MAX_MESSAGE_BYTES + 1),
        [b"a"],
        (1009, "frame with 2001 bytes exceeds limit of 2000 bytes"),
    ),
    Case(
        "a whole message above the limit",
        _A + frame(BINARY, bytes(MAX_MESSAGE_BYTES + 1)),
        [b"a"],
        (1009, "frame with 2001 bytes exceeds limit of 2000 bytes"),
    ),
    Case(
        "a length of 63 bits",
        frame(BINARY, declared=2**63 - 1),
        [],
        (1009, f"frame with {2**63 - 1} bytes exceeds limit of 2000 bytes"),
    ),
    Case(
        "a length with the highest bit",
        frame(BINARY, declared=2**64 - 1),
        [],
        (1009, f"frame with {2**64 - 1} bytes exceeds limit of 2000 bytes"),
    ),
    Case(
        "fragments above the limit",
        frame(BINARY, bytes(1500), fin=False) + frame(CONT, declared=501),
        [],
        (1009, "frame with 501 bytes after reading 1500 bytes exceeds limit of 2000 bytes"),
    ),
    Case("text that is not UTF-8", frame(TEXT, b"\xff") + _A, [], (1007, "invalid UTF-8")),
    Case(
        "fragments that are not UTF-8",
        _A + frame(TEXT, _SMILE[:-1], fin=False) + frame(CONT, b"x") + _A,
        [b"a"],
        (1007, "invalid UTF-8"),
    ),
    Case("text with a surrogate", frame(TEXT, b"\xed\xa0\x80"), [], (1007, "invalid UTF-8")),
    *(
        Case(f"the close code {code}", close_frame(code, b"bye") + _A, [], (code, "bye"))
        for code in (1000, 1001, 1003, 1007, 1011, 1014, 3000, 4999)
    ),
    *(
        Case(f"the close code {code}", close_frame(code), [], (1002, "invalid status code"))
        for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000)
    ),
    Case("a close code of one byte", frame(CLOSE, b"\3"), [], (1002, "close frame too short")),
    Case(
        "a close reason of 123 bytes",
        close_frame(1000, b"r" * 123),
        [],
        (1000, "r" * 123),
    ),
    Case(
        "a close reason that is not UTF-8",
        close_frame(1000, b"\xff"),
        [],
        (1007, "invalid start byte at position 0"),
    ),
    Case(
        "a close inside of a message",
        frame(BINARY, b"a", fin=False) + close_frame(1000),
        [],
        (1002, "incomplete fragmented message"),
    ),
    Case("data after a close", _A + close_frame(1000) + _A + frame(PING), [b"a"], (1000, "")),
    Case("an incomplete message", _A + frame(BINARY, b"bcd")[:-1], [b"a"]),
    Case("an incomplete head", _A + frame(BINARY, bytes(200))[:3], [b"a"]),
]


@pytest.mark.parametrize("taken", [None, 1.0, 0.5], ids=["no callback", "callback", "both"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_rfc_6455(case: Case, taken: float | None) -> None:
    for piece_bytes in (len(case.data), 1, 3, 7):
        pieces = cut(case.data, piece_bytes)
        found = await outcome_of(pieces, Handler(taken=taken))
        assert found.messages == case.messages
        assert found.close == case.close
        pongs = tuple(data for opcode, data in found.controls if opcode is PONG)
        assert pongs == case.pongs


async def test_an_empty_close_is_answered_with_an_empty_close() -> None:
    found = await outcome_of([frame(CLOSE)], Handler(taken=1.0))
    assert found == Outcome([], [(CLOSE, b"")])


def cut(data: bytes, piece_bytes: int) -> list[bytes]:
    return [data[at : at + piece_bytes] for at in range(0, len(data), piece_bytes)]


class Fuzzer:
    """Sequences of frames, some of which violate the protocol, and where they are cut."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._is_inside = False  # of a fragmented message

    def sequence(self) -> bytes:
        frames = [self._frame() for _ in range(self._random.randrange(1, 9))]
        data = bytearray(b"".join(frames))
        if self._random.random() < 0.1:
            data[self._random.randrange(len(data))] = self._random.randrange(256)
        if self._random.random() < 0.1:
            del data[self._random.randrange(len(data)) :]
        return bytes(data)

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield ``data`` in pieces: often whole, often at random places."""
        longest = self._random.choice([1, 4, 20, 3000, len(data) + 1])
        at = 0
        while at < len(data):
            size = self._random.randrange(1, longest + 1)
            yield data[at : at + size]
            at += size

    def _payload(self) -> bytes:
        sizes = [0, 1, 2, 5, 30, 125, 126, 127, 200, 700, 2001]
        return self._random.randbytes(self._random.choice(sizes))

    def _text(self) -> bytes:
        text = ("aé€🎙" * self._random.randrange(12)).encode()
        start = self._random.choice([0, 0, 0, 0, 1, 2])
        return text[start : len(text) - self._random.choice([0, 0, 0, 0, 1])]

    def _frame(self) -> bytes:
        kind = self._random.random()
        if kind < 0.12:
            payload = self._payload()[:125]
            return frame(self._random.choice([PING, PONG]), payload)
        if kind < 0.16:
            codes = [1000, 1001, 1005, 1011, 3000, 4999, 999, 65535]
            code = struct.pack("!H", self._random.choice(codes))
            return frame(CLOSE, self._random.choice([b"", code, code + self._text()[:80], b"x"]))
        if kind < 0.24:
            return self._violation()
        fin = self._random.random() < 0.8
        opcode = CONT if self._is_inside else self._random.choice([BINARY, BINARY, TEXT])
        self._is_inside = not fin
        payload = self._payload() if opcode is BINARY else self._text()
        length_bytes = 8 if self._random.random() < 0.05 else None
        return frame(opcode, payload, fin=fin, length_bytes=length_bytes)

    def _violation(self) -> bytes:
        pick, payload = self._random.randrange(7), self._payload()
        if pick == 0:
            return frame(BINARY, payload, is_masked=False)
        if pick == 1:
            return frame(BINARY, payload, reserved=self._random.randrange(1, 8))
        if pick == 2:
            return frame(self._random.randrange(16), payload)
        if pick == 3:
            return frame(PING, payload, fin=False)
        if pick == 4:
            return frame(BINARY, declared=self._random.choice([2001, 65536, 2**40, 2**64 - 1]))
        if pick == 5:
            return self._random.randbytes(self._random.randrange(1, 20))
        return frame(self._random.choice([CONT, TEXT, BINARY]), payload)


async def agree(seed: int) -> None:
    """Fail unless the class and websockets' parser agree on the sequence of ``seed``."""
    fuzzer = Fuzzer(seed)
    data = fuzzer.sequence()
    pieces = list(fuzzer.pieces(data))
    handler = Handler(taken=(None, 1.0, 0.5)[seed % 3], busy=seed % 4, seed=seed)
    found, expected = await outcome_of(pieces, handler), expected_of(data)
    assert found == expected, f"seed {seed}: {data!r} in {[len(piece) for piece in pieces]}"


async def test_any_sequence_of_frames_has_the_outcome_of_the_parser_of_websockets() -> None:
    for seed in range(400):
        await agree(seed)


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_a_hundred_thousand_sequences_have_the_outcome_of_the_parser_of_websockets() -> None:
    for seed in range(400, 100_400):
        await agree(seed)


def test_a_fuzzed_sequence_reaches_every_kind_of_close() -> None:
    outcomes = [expected_of(Fuzzer(seed).sequence()) for seed in range(400)]
    closes = {outcome.close[0] for outcome in outcomes if outcome.close is not None}
    assert {1000, 1002, 1007, 1009} <= closes
    assert sum(len(outcome.messages) for outcome in outcomes) > 400
