"""Restore a spool from the bucket, if the node that takes a session over has none."""

import contextlib
import logging

from storage import journal, threads
from storage.checkpoint import TIMELINE, Checkpoint
from storage.errors import BadObjectError
from storage.journal import JOURNAL, Kept
from storage.observer import Observer
from storage.s3 import keys
from storage.s3.client.bucket import Bucket
from storage.s3.keys import SessionKeys
from storage.s3.writing.final_file import uploaded_pcm
from storage.s3.writing.segment_log import SegmentLog
from storage.s3.writing.spool import Spool
from storage.s3.writing.upload import Upload
from storage.warning import KEPT_INPUT_LOST, KEPT_INPUT_MESSAGE

logger = logging.getLogger(__name__)

_Pieces = dict[int, str]  # the key of each piece of one stream, by its offset


async def restore_spool(
    bucket: Bucket,
    spool: Spool,
    segments: SegmentLog,
    persisted: Checkpoint,
    *,
    upload: Upload | None,
    part_bytes: int,
    observer: Observer,
) -> None:
    """Fetch the PCM that the final file still needs, and the input of open streams."""
    hole = uploaded_pcm(upload, part_bytes)
    await threads.recording.run(spool.begin_restore, persisted.pcm_bytes, hole)
    for start, stop in ((0, min(hole[0], persisted.pcm_bytes)), (hole[1], persisted.pcm_bytes)):
        position = start
        async for block in segments.read(start, stop):
            await threads.recording.run(spool.write, block, position)
            position += len(block)
    checkpoint = persisted
    stored = await _stored_inputs(bucket, segments.keys) if persisted.kept_bytes else {}
    for stream in persisted.streams:
        pieces = stored.pop(stream.number, {})
        is_whole = await _restore_input(bucket, spool, stream.number, pieces, stream.kept_bytes)
        if not is_whole and not stream.state:
            logger.error("%s: kept input is not whole", segments.keys.input_of(stream.number))
            frame = segments.pcm_format.frames(checkpoint.pcm_bytes)
            checkpoint = checkpoint.without(stream.number)
            checkpoint = checkpoint.warned(KEPT_INPUT_LOST, KEPT_INPUT_MESSAGE, frame=frame)
            observer.warned(KEPT_INPUT_LOST)
    await _restore_ended(bucket, spool, stored, persisted.journal_bytes)
    pieces = stored.get(TIMELINE, {})
    await _restore_input(bucket, spool, TIMELINE, pieces, persisted.timeline_bytes)
    await threads.recording.run(spool.end_restore, checkpoint)


async def read_input(bucket: Bucket, session: SessionKeys, number: int, kept_bytes: int) -> bytes:
    """Return the first ``kept_bytes`` of kept input ``number``; fewer if some are missing."""
    pieces = (await _stored_inputs(bucket, session)).get(number, {}) if kept_bytes else {}
    found = bytearray()
    for offset in sorted(pieces):
        if offset == len(found) < kept_bytes:
            found += await bucket.get(pieces[offset])
    return bytes(found[:kept_bytes])


async def _restore_ended(
    bucket: Bucket, spool: Spool, stored: dict[int, _Pieces], journal_bytes: int
) -> None:
    """Fetch the journal, and the input of ended streams that the digests need.

    If some of it is missing, the receipt will say that the inputs are unknown.
    """
    pieces = stored.get(JOURNAL, {})
    if not journal_bytes or not await _restore_input(bucket, spool, JOURNAL, pieces, journal_bytes):
        return
    data = await threads.recording.run(spool.read_input, JOURNAL, 0, journal_bytes)
    with contextlib.suppress(BadObjectError):
        for entry in journal.decode(data):
            if isinstance(entry, Kept):
                pieces = stored.get(entry.number, {})
                await _restore_input(bucket, spool, entry.number, pieces, entry.stop)


async def _stored_inputs(bucket: Bucket, session: SessionKeys) -> dict[int, _Pieces]:
    """Return the keys of kept input, by stream and offset.

    A writer that lost the session may have left input that no checkpoint counts. Its successor
    began at or before that offset: of several at one offset, the latest epoch counts.
    """
    found: dict[int, _Pieces] = {}
    for key in sorted(await bucket.keys(session.inputs)):
        number, offset = keys.input_stream(key), keys.input_offset(key)
        if number is not None and offset is not None:
            found.setdefault(number, {})[offset] = key
    return found


async def _restore_input(
    bucket: Bucket, spool: Spool, number: int, pieces: _Pieces, kept_bytes: int
) -> bool:
    """Return whether the first ``kept_bytes`` of the stream's input were there."""
    position = begin = spool.input_bytes(number)
    for offset in sorted(pieces):
        if offset == position < kept_bytes:
            data = await bucket.get(pieces[offset])
            await threads.recording.run(spool.write_input, number, position, data)
            position += len(data)
    if position > begin:
        await threads.recording.run(spool.sync_input, number)
    return position >= kept_bytes
