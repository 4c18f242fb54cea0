"""Digests follow what is persisted. Crashes: tests/api/session/test_input_journal.py."""

from pathlib import Path
from uuid import uuid4

import pytest

from storage import wav
from storage.block_digest import BLOCK_BYTES
from storage.checkpoint import Checkpoint
from storage.volume.growing_digests import GrowingDigests
from storage.volume.paths import SessionPaths
from tests.audio import pcm
from tests.storage.test_block_digest import by_definition

AUDIO = pcm(BLOCK_BYTES)


@pytest.fixture
def paths(tmp_path: Path) -> SessionPaths:
    paths = SessionPaths(tmp_path, uuid4())
    paths.state.mkdir()
    paths.audio.write_bytes(bytes(wav.HEADER_BYTES) + AUDIO)
    return paths


def test_only_what_is_persisted_is_digested(paths: SessionPaths) -> None:
    growing = GrowingDigests(paths)
    assert not growing.is_due(Checkpoint(1, BLOCK_BYTES - 2))
    assert growing.is_due(Checkpoint(1, BLOCK_BYTES))
    found = growing.finish(Checkpoint(1, BLOCK_BYTES + 10))
    assert found.pcm.hexdigest() == by_definition(AUDIO[: BLOCK_BYTES + 10])
    growing.keep_blocks()
    assert len(paths.blocks.read_bytes()) == 64


def test_the_next_process_continues_at_the_last_block(paths: SessionPaths) -> None:
    GrowingDigests(paths).advance(Checkpoint(1, BLOCK_BYTES + 10))
    paths.audio.write_bytes(bytes(wav.HEADER_BYTES + BLOCK_BYTES) + AUDIO[BLOCK_BYTES:])
    growing = GrowingDigests(paths)
    growing.resume(Checkpoint(1, len(AUDIO)))
    assert growing.finish(Checkpoint(1, len(AUDIO))).pcm.hexdigest() == by_definition(AUDIO)


def test_a_torn_record_does_not_hide_those_that_follow(paths: SessionPaths) -> None:
    GrowingDigests(paths).advance(Checkpoint(1, BLOCK_BYTES))
    with paths.digests.open("ab") as file:
        file.write(b"half a rec")
    growing = GrowingDigests(paths)
    growing.resume(Checkpoint(1, BLOCK_BYTES))
    growing.advance(Checkpoint(2, len(AUDIO)))
    paths.audio.write_bytes(bytes(wav.HEADER_BYTES + len(AUDIO)))
    growing = GrowingDigests(paths)
    growing.resume(Checkpoint(2, len(AUDIO)))
    assert growing.finish(Checkpoint(2, len(AUDIO))).pcm.hexdigest() == by_definition(AUDIO)


def test_a_record_of_lost_audio_does_not_count_for_what_follows_it(paths: SessionPaths) -> None:
    GrowingDigests(paths).advance(Checkpoint(1, len(AUDIO)))
    growing = GrowingDigests(paths)
    growing.resume(Checkpoint(1, BLOCK_BYTES))  # the rest of the audio is lost
    new = bytes(BLOCK_BYTES)
    paths.audio.write_bytes(bytes(wav.HEADER_BYTES) + AUDIO[:BLOCK_BYTES] + new)
    growing = GrowingDigests(paths)
    growing.resume(Checkpoint(2, 2 * BLOCK_BYTES))
    found = growing.finish(Checkpoint(2, 2 * BLOCK_BYTES))
    assert found.pcm.hexdigest() == by_definition(AUDIO[:BLOCK_BYTES] + new)
