"""The age of the oldest unpersisted audio is never shown too short."""

import time

from storage.checkpoint import Checkpoint
from storage.watermark import Unpersisted, Watermark

NOTHING, SOME, MORE = Checkpoint(), Checkpoint(1, 200), Checkpoint(2, 500)


def test_nothing_waits_if_everything_is_persisted() -> None:
    watermark = Watermark()
    assert watermark.level(NOTHING, NOTHING) == Unpersisted()
    watermark.recorded()
    watermark.persisted(until=time.monotonic(), is_all=True)
    assert watermark.level(SOME, SOME) == Unpersisted()


def test_the_age_counts_from_the_first_audio_that_waits() -> None:
    watermark, began = Watermark(), time.monotonic()
    watermark.recorded()
    first = time.monotonic()
    watermark.recorded()
    before = time.monotonic()
    level = watermark.level(MORE, NOTHING)
    assert level.pcm_bytes == 500
    assert before - first <= level.seconds <= time.monotonic() - began


def test_after_a_partial_sync_the_age_counts_from_its_beginning() -> None:
    watermark = Watermark()
    watermark.recorded()
    asked_at = time.monotonic()
    watermark.recorded()
    watermark.persisted(until=asked_at, is_all=False)
    before = time.monotonic()
    level = watermark.level(MORE, SOME)
    assert level.pcm_bytes == 300
    assert before - asked_at <= level.seconds <= time.monotonic() - asked_at
