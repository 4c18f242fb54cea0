"""The interface of all dialects: what a platform says, as events."""

from typing import Literal, Protocol

import msgspec

# The session decodes `g722` as a stream, so only a dialect without timestamps may have it. `l16` is
# signed 16-bit PCM; `l16?` the same in a byte order that the platform does not document.
Encoding = Literal["mulaw", "alaw", "g722", "l16", "l16?"]


class CallError(Exception):
    """The connection cannot be recorded; the text names the cause and the remedy."""


class Begin(msgspec.Struct, frozen=True, kw_only=True):
    """The audio that follows, and what is known of the call.

    The recording has one channel for each of ``tracks``, the caller first. If ``width`` is 2, there
    is one track, and its messages have two interleaved channels. ``parameters`` are those that the
    operator has configured on the platform. An unknown text is empty.
    """

    encoding: Encoding
    sample_rate: int
    tracks: tuple[str, ...] = ("call",)
    width: int = 1
    call_id: str = ""
    stream_id: str = ""
    caller: str = ""
    callee: str = ""
    parameters: dict[str, str] = {}

    @property
    def channels(self) -> int:
        """Return the channels of the recording."""
        return len(self.tracks) * self.width


class Audio(msgspec.Struct, frozen=True, gc=False):
    """Encoded audio of ``track``, an index of `Begin.tracks`.

    ``frame`` is its place in the time of the platform; None: it follows the last audio of the
    track. ``number`` counts the messages of a track; None: the platform does not.
    """

    data: bytes
    track: int = 0
    frame: int | None = None
    number: int | None = None


class Gap(msgspec.Struct, frozen=True):
    """The platform has left out ``frames`` frames of all tracks."""

    frames: int
    cause: str


class Mark(msgspec.Struct, frozen=True):
    """A label that the application has set."""

    name: str


class Dtmf(msgspec.Struct, frozen=True):
    """A key that the caller has pressed."""

    digit: str


class Pause(msgspec.Struct, frozen=True):
    """The platform sends no audio until it resumes."""


class Resume(msgspec.Struct, frozen=True):
    """The platform sends audio again."""


class Malformed(msgspec.Struct, frozen=True):
    """A message, or its audio, could not be read; ``reason`` says why."""

    reason: str


class Reply(msgspec.Struct, frozen=True):
    """A text that the platform waits for."""

    text: str


class End(msgspec.Struct, frozen=True):
    """The platform says that the call, or its recording, has ended."""


Event = Begin | Audio | Gap | Mark | Dtmf | Pause | Resume | Malformed | Reply | End


class Dialect(Protocol):
    """One connection of a platform. `Begin` comes before all audio, gaps and marks, and once.

    Its methods raise `CallError` if the connection cannot be recorded.
    """

    @property
    def name(self) -> str:
        """Return the name of the dialect, as in the path of the endpoint."""
        ...

    def receive_text(self, text: str) -> list[Event]:
        """Return the events of a text message."""
        ...

    def receive_bytes(self, data: bytes) -> list[Event]:
        """Return the events of a binary message."""
        ...

    def stop_waiting(self) -> list[Event]:
        """Return the events of what is held back: nothing that it waits for will arrive.

        Called when the time for it is over, and when the connection has ended.
        """
        ...
