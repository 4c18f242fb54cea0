"""Drive a dialect with messages, and decode what it makes of them, without a service."""

from collections.abc import Iterable
from typing import NamedTuple

from api.dialects.events import Audio, Begin, Dialect, Event, Gap
from api.dialects.pcm import CallDecoder
from api.dialects.tracks import Notice, Tracks
from tests.platforms import Message


class Heard(NamedTuple):
    begin: Begin
    pcm: bytes
    events: list[Event]  # without audio
    notices: list[Notice]


def events_of(dialect: Dialect, messages: Iterable[Message]) -> list[Event]:
    """Return the events of ``messages``, and of the end of the connection."""
    events: list[Event] = []
    for message in messages:
        receive = dialect.receive_text if isinstance(message, str) else dialect.receive_bytes
        events += receive(message)  # type: ignore[arg-type]
    return [*events, *dialect.stop_waiting()]


def hear(
    dialect: Dialect,
    messages: Iterable[Message],
    *,
    max_gap_seconds: float = 300.0,
    continued_at: int | None = None,
) -> Heard:
    events = events_of(dialect, messages)
    (begin,) = (each for each in events if isinstance(each, Begin))
    decoder = CallDecoder(begin)
    tracks = Tracks(
        begin.tracks,
        width=begin.width,
        sample_rate=begin.sample_rate,
        max_gap_seconds=max_gap_seconds,
        continued_at=continued_at,
    )
    pcm = bytearray()

    def add(decoded: list[Audio]) -> None:
        for audio in decoded:
            pcm.extend(b"".join(tracks.add(audio, elapsed_seconds=0)))

    for event in events:
        if isinstance(event, Audio):
            add(decoder.decode(event))
        elif isinstance(event, Gap):
            add(decoder.flush())
            pcm.extend(b"".join(tracks.skip(event.frames, event.cause, elapsed_seconds=0)))
    add(decoder.flush())
    pcm.extend(b"".join(tracks.flush()))
    others: list[Event] = [each for each in events if not isinstance(each, Audio)]
    return Heard(begin, bytes(pcm), others, [*tracks.take_notices(), *tracks.summary()])
