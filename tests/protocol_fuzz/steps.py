"""Steps that a client may take, valid and invalid, with frames and sockets."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from tests.audio import pcm
from tests.fuzz.seeds import seeds

MAX_CHUNK_BYTES = 100_000
MAX_MESSAGE_BYTES = 300_000
ACTIONS = ("flush", "keep_alive", "status")

Disconnect = Literal["half_close", "abort"]


@dataclass(frozen=True, kw_only=True)
class Step:
    """Bytes to send, and the expected reaction of the service."""

    name: str
    data: bytes = b""
    is_chunk: bool = False
    is_text: bool = False
    pings: tuple[bytes, ...] = ()
    close_codes: tuple[int, ...] = ()  # one of them ends the connection
    disconnect: Disconnect | None = None
    waits_for_answers: bool = True
    resume: bool = True  # if the step needs a new connection

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(repr(self))

    def __repr__(self) -> str:
        end = self.disconnect or (self.close_codes or "")
        waits = self.waits_for_answers
        return f"<{self.name} {len(self.data)}: {self.data[:24]!r} {end} {waits=}>"


def frame(opcode: Opcode, payload: bytes = b"", *, fin: bool = True, mask: bool = True) -> bytes:
    return Frame(opcode, payload, fin=fin).serialize(mask=mask)


def _fragmented(
    opcode: Opcode, payload: bytes, cuts: Sequence[int], pings: Sequence[bytes]
) -> bytes:
    edges = [0, *sorted(cut % (len(payload) + 1) for cut in cuts), len(payload)]
    data = b""
    for number in range(len(edges) - 1):
        piece = payload[edges[number] : edges[number + 1]]
        is_last = number == len(edges) - 2
        data += frame(Opcode.CONT if number else opcode, piece, fin=is_last)
        data += b"" if is_last or number >= len(pings) else frame(Opcode.PING, pings[number])
    return data


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
_texts = st.one_of(
    st.sampled_from(ACTIONS).map(lambda action: json.dumps({"type": "control", "action": action})),
    st.text(max_size=50),
    _json.map(json.dumps),
    st.builds(
        lambda kind, action: json.dumps({"type": kind, "action": action, "more": 1}),
        st.sampled_from(["control", "Control", "error", 1, None]),
        st.sampled_from([*ACTIONS, "close", "", "FLUSH"]) | _json,
    ),
    st.builds(
        lambda opening, depth: '{"type":"control","x":' + opening * depth,
        st.sampled_from(["[", '{"a":', "1"]),
        st.sampled_from([100, 1000, 40_000]),
    ),
    st.integers(1, 150_000).map(lambda size: "\u00e9" * size),
).map(lambda text: text.encode("utf-8", "replace"))
_chunks = st.one_of(
    st.just(b""),
    st.binary(max_size=200),
    st.builds(
        lambda name, start, size: seeds()[name][start : start + size],
        st.sampled_from(sorted(seeds())),
        st.just(0) | st.integers(0, 4000),
        st.integers(0, 40) | st.integers(0, 9000),
    ),
    st.integers(0, 2000).map(lambda frames: pcm(frames, seed=frames)),
    st.sampled_from([30_000, 90_000, MAX_CHUNK_BYTES + 20_000, MAX_MESSAGE_BYTES + 1]).map(bytes),
)
_no_cuts: list[int] = []
_cuts = st.just(_no_cuts) | st.lists(st.integers(0, 300_000), max_size=5)
_payloads = st.binary(max_size=125)
_flags: dict[str, Any] = {
    "waits_for_answers": st.booleans(),
    "resume": st.booleans() | st.just(True),
}


def _message(
    opcode: Opcode,
    payload: bytes,
    cuts: list[int],
    pings: list[bytes],
    *,
    waits_for_answers: bool,
    resume: bool,
) -> Step:
    limit = MAX_MESSAGE_BYTES if opcode is Opcode.TEXT else MAX_CHUNK_BYTES
    return Step(
        name=opcode.name.lower(),
        data=_fragmented(opcode, payload, cuts, pings),
        is_chunk=opcode is Opcode.BINARY and len(payload) <= limit,
        is_text=opcode is Opcode.TEXT and len(payload) <= limit,
        pings=tuple(pings[: len(cuts)]),
        close_codes=() if len(payload) <= limit else (1009,),
        waits_for_answers=waits_for_answers,
        resume=resume,
    )


def _closed(code: int, reason: str) -> Step:
    return Step(name="close", data=_close_frame(code, reason), close_codes=(code,))


def _close_frame(code: int, reason: str = "") -> bytes:
    return frame(Opcode.CLOSE, code.to_bytes(2, "big") + reason.encode())


_CLOSE_SESSION = frame(Opcode.TEXT, b'{"type":"control","action":"close_session"}')
_closing = st.one_of(
    st.just(Step(name="close_session", data=_CLOSE_SESSION, close_codes=(1000,))),
    st.builds(
        _closed,
        st.sampled_from([*range(1000, 1004), *range(1007, 1015)]) | st.integers(3000, 4999),
        st.text(max_size=30),
    ),
    st.just(Step(name="close without a code", data=frame(Opcode.CLOSE), close_codes=(1005,))),
)

_not_utf8 = st.sampled_from(
    [b"\xff", b"ok\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", b'{"type":"\x80"}']
)
_data_opcodes = st.sampled_from([Opcode.TEXT, Opcode.BINARY])
_protocol_violations = st.one_of(
    st.builds(  # reserved bits
        lambda bits, opcode: bytes([0x80 | bits | opcode, 0x80]) + bytes(4),
        st.sampled_from([0x10, 0x20, 0x40, 0x70]),
        st.sampled_from([1, 2, 8, 9, 10]),
    ),
    st.sampled_from([3, 4, 5, 6, 7, 11, 15]).map(  # reserved opcodes
        lambda opcode: bytes([0x80 | opcode, 0x80]) + bytes(4)
    ),
    st.builds(frame, _data_opcodes | st.just(Opcode.PING), st.just(b"x"), mask=st.just(False)),
    st.builds(_fragmented, st.just(Opcode.TEXT), _not_utf8, _cuts, st.just([])),
    _not_utf8.map(lambda text: frame(Opcode.TEXT, text) * 3),
    st.sampled_from([MAX_MESSAGE_BYTES + 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1]).map(
        lambda size: b"\x82\xff" + size.to_bytes(8, "big") + bytes(4)
    ),
    st.builds(  # a message inside the fragments of another
        lambda first, then: frame(first, b"a", fin=False) + frame(then, b"b"),
        _data_opcodes,
        _data_opcodes,
    ),
    st.just(frame(Opcode.CONT, b"of nothing")),
    st.just(b"\x09\x80" + bytes(4)),  # a fragmented ping
    st.just(b"\x89\xfe\x00\x7e" + bytes(4 + 126)),  # an oversized ping
    st.just(frame(Opcode.CLOSE, b"\x03")),
    st.just(frame(Opcode.CLOSE, b"\x03\xe8\xff")),
    st.sampled_from([0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535]).map(_close_frame),
).map(lambda data: Step(name="broken", data=data, close_codes=(1002, 1007, 1009)))

messages = st.builds(
    _message, st.just(Opcode.TEXT), _texts, _cuts, st.lists(_payloads, max_size=3), **_flags
) | st.builds(
    _message, st.just(Opcode.BINARY), _chunks, _cuts, st.lists(_payloads, max_size=3), **_flags
)


def _ping(opcode: Opcode, payload: bytes, *, waits_for_answers: bool, resume: bool) -> Step:
    pings = (payload,) if opcode is Opcode.PING else ()
    return Step(
        name=opcode.name.lower(),
        data=frame(opcode, payload),
        pings=pings,
        waits_for_answers=waits_for_answers,
        resume=resume,
    )


def _ended(end: Step, more: Step, *, resume: bool) -> Step:
    """Return ``end`` with ``more`` after it: of ``more``, only pings and violations take effect."""
    codes = end.close_codes + more.close_codes
    data = end.data + more.data
    return replace(end, data=data, pings=more.pings, close_codes=codes, resume=resume)


def _cut(message: Step, size_bytes: int, disconnect: Disconnect) -> Step:
    data = message.data[: size_bytes % len(message.data)]
    return Step(name="cut", data=data, pings=message.pings, disconnect=disconnect)


steps = st.one_of(
    messages,
    messages,
    st.builds(_ping, st.sampled_from([Opcode.PING, Opcode.PONG]), _payloads, **_flags),
    st.builds(
        _ended,
        _closing | _protocol_violations,
        st.just(Step(name="nothing")) | messages,
        resume=st.booleans(),
    ),
    st.builds(
        _cut,
        messages,
        st.just(0) | st.integers(0, 400_000),
        st.sampled_from(["half_close", "abort"]),
    ),
)
