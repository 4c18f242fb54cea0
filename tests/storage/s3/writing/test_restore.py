"""A node without a spool restores what the final file and the open streams still need."""

from pathlib import Path
from uuid import UUID

import pytest

from storage import journal, wav
from storage.checkpoint import Checkpoint, StreamCheckpoint
from storage.journal import JOURNAL, Kept
from storage.s3 import S3Storage
from storage.s3.keys import SessionKeys
from storage.warning import KEPT_INPUT_LOST
from tests.audio import pcm
from tests.conftest import ManualClock
from tests.descriptors import open_descriptors
from tests.storage.conftest import new_manifest
from tests.storage.s3.conftest import (
    LONG_AUDIO,
    PART_BYTES,
    OpenS3,
    abandoned_session,
    expire_lease,
)
from tests.storage.test_conformance import LATER, append

INPUT = b"input of an open stream"


async def test_audio_that_is_in_parts_already_is_not_fetched(
    open_s3: OpenS3, clock: ManualClock, tmp_path: Path
) -> None:
    session_id = await abandoned_session(open_s3, tmp_path / "one", clock)
    storage = open_s3(tmp_path / "other")
    await storage.start()
    recording = await storage.open(await storage.manifest(session_id))
    first = PART_BYTES - wav.HEADER_BYTES
    assert recording.spool.read(0, first) == LONG_AUDIO[:first]
    assert not recording.spool.holds(first, first + 2)
    assert recording.spool.holds(20_000 - 20_000 % PART_BYTES, 20_000)
    append(recording, LONG_AUDIO[20_000:])
    await recording.complete(LATER)
    whole = await storage._bucket.get(SessionKeys(session_id).audio)
    assert whole[wav.HEADER_BYTES :] == LONG_AUDIO
    await storage.stop()


@pytest.fixture
async def open_stream(writer: S3Storage, reader: S3Storage, clock: ManualClock) -> SessionKeys:
    """A session of a dead node, with kept input of one stream."""
    recording = await writer.create(new_manifest())
    recording.keep_input(1, 0, INPUT)
    append(recording, pcm(100), StreamCheckpoint(1, len(INPUT), 200, b""))
    await recording.flush()
    recording.abandon()
    await expire_lease(clock, reader)
    return SessionKeys.of(recording.manifest)


async def test_kept_input_of_an_open_stream_is_restored(
    open_stream: SessionKeys, reader: S3Storage
) -> None:
    recording = await reader.open(await reader.manifest(open_stream.session_id))
    assert b"".join([block async for block in recording.read_input(1)]) == INPUT
    assert recording.spool.read(0, 200) == pcm(100)
    await recording.release()


async def test_a_session_whose_input_is_not_whole_continues_without_it_and_with_a_warning(
    open_stream: SessionKeys, reader: S3Storage
) -> None:
    (key,) = await reader._bucket.keys(open_stream.inputs)
    await reader._bucket.put(key, INPUT[:-1])
    recording = await reader.open(await reader.manifest(open_stream.session_id))
    assert recording.checkpoint.streams == ()
    assert [warning.code for warning in recording.checkpoint.warnings] == [KEPT_INPUT_LOST]
    assert recording.spool.read(0, 200) == pcm(100)
    await recording.release()


async def test_input_of_ended_streams_is_restored_without_a_descriptor_for_each(
    writer: S3Storage, reader: S3Storage, clock: ManualClock
) -> None:
    recording = await writer.create(new_manifest())
    entries = b"".join(
        journal.encode(Kept(0, number, number, 0, len(INPUT))) for number in range(1, 20)
    )
    recording.keep_input(JOURNAL, 0, entries)
    for number in range(1, 20):
        recording.keep_input(number, 0, INPUT)
        recording.drop_input(number)
    recording.append(pcm(100), Checkpoint(1, 200, journal_bytes=len(entries)))
    await recording.flush()
    recording.abandon()
    await expire_lease(clock, reader)
    recording = await reader.open(await reader.manifest(UUID(recording.manifest.session_id)))
    assert recording.spool.streams() == list(range(20))
    assert recording.spool.read_input(19, 0, len(INPUT)) == INPUT
    assert not [path for path in open_descriptors().values() if "/input." in path]
    await recording.release()
