"""Whatever a platform sends gives events or `CallError`, and little silence."""

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.dialects.detection import Handshake, dialect_of
from api.dialects.events import Audio, Begin, CallError, Dialect
from api.dialects.names import DIALECTS
from api.dialects.pcm import CallDecoder
from api.dialects.tracks import Tracks
from tests.api.dialects.test_detection import CALLS
from tests.platforms import Message

VALUES: list[Any] = [
    None, True, -1, 0, 10**30, 1e308, float("nan"), "", "9" * 50, "\ud800\0\u2028", [], [[]], {},
    {"a": 1}, "inbound", "both_tracks", "G722", "audio/x-l16", "rate=0", "PT9999999S", "x" * 8192,
]  # fmt: skip

SEEDS: dict[str, list[Message]] = {name: call[:12] for name, call in CALLS.items()}


def changed(message: Message, generator: random.Random) -> Message:
    """Return the message with a field, or a few bytes, that are something else."""
    if isinstance(message, bytes):
        return generator.randbytes(generator.choice((0, 1, 7, 500)))
    try:
        parsed = json.loads(message)
    except ValueError:
        return message[: generator.randrange(len(message))]
    place = parsed
    while True:
        name = generator.choice([*place, "more"])
        inner = place.get(name)
        if not isinstance(inner, dict) or generator.random() < 0.3:
            break
        place = inner
    place[name] = generator.choice(VALUES)
    return json.dumps(parsed)


def drive(dialect: Dialect, messages: list[Message]) -> tuple[int, int]:
    """Return the frames that arrived and those that were recorded, as far as it went."""
    arrived = recorded = 0
    decoder: CallDecoder | None = None
    tracks: Tracks | None = None
    try:
        for message in [*messages, None]:
            if message is None:
                events = dialect.stop_waiting()
            elif isinstance(message, str):
                events = dialect.receive_text(message)
            else:
                events = dialect.receive_bytes(message)
            for event in events:
                if isinstance(event, Begin):
                    assert tracks is None
                    decoder = CallDecoder(event)
                    tracks = Tracks(
                        event.tracks,
                        width=event.width,
                        sample_rate=event.sample_rate,
                        max_gap_seconds=1,
                    )
                elif isinstance(event, Audio):
                    assert decoder is not None
                    assert tracks is not None
                    arrived += len(event.data)
                    for audio in decoder.decode(event):
                        recorded += sum(map(len, tracks.add(audio, elapsed_seconds=0)))
    except CallError:
        pass
    if tracks is not None:
        recorded += sum(map(len, tracks.flush()))
    return arrived, recorded


@pytest.mark.parametrize("name", [*DIALECTS, "auto"])
@given(seed=st.integers(0, 2**32))
@settings(max_examples=25)
def test_changed_messages_give_events_or_a_refusal(name: str, seed: int) -> None:
    generator = random.Random(seed)
    messages = list(SEEDS.get(name) or generator.choice(list(SEEDS.values())))
    for _ in range(generator.randint(1, 4)):
        at = generator.randrange(len(messages))
        messages[at] = changed(messages[at], generator)
    if generator.random() < 0.5:
        generator.shuffle(messages)
    arrived, recorded = drive(dialect_of(name, Handshake({}, {})), messages)
    # Ten gaps of a second, at 48 kHz in stereo; µ-law has one byte for two, in two tracks.
    assert recorded <= 4 * arrived + 11 * 48000 * 4


@pytest.mark.parametrize("name", [*DIALECTS, "auto"])
@given(messages=st.lists(st.one_of(st.text(max_size=300), st.binary(max_size=300)), max_size=20))
@settings(max_examples=15)
def test_messages_of_anything_give_events_or_a_refusal(name: str, messages: list[Message]) -> None:
    drive(dialect_of(name, Handshake({}, {})), messages)
