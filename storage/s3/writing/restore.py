"""Restore a spool from the bucket, if the node that takes a session over has none."""

import logging

from storage import threads
from storage.checkpoint import Checkpoint, StreamCheckpoint
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
    for stream in persisted.streams:
        if not await _restore_input(bucket, spool, segments.keys, stream):
            logger.error("%s is not whole", segments.keys.input_of(stream.number))
            frame = segments.pcm_format.frames(checkpoint.pcm_bytes)
            checkpoint = checkpoint.without(stream.number)
            checkpoint = checkpoint.warned(KEPT_INPUT_LOST, KEPT_INPUT_MESSAGE, frame=frame)
            observer.warned(KEPT_INPUT_LOST)
    await threads.recording.run(spool.end_restore, checkpoint)


async def _restore_input(
    bucket: Bucket, spool: Spool, session: SessionKeys, stream: StreamCheckpoint
) -> bool:
    """Return whether all of the stream's input was there."""
    # A writer that lost the session may have left input that no checkpoint counts. Its
    # successor began at or before that offset: of several at one offset, use the latest epoch.
    stored = sorted(await bucket.keys(session.input_of(stream.number)))
    latest = {offset: key for key in stored if (offset := keys.input_offset(key)) is not None}
    position = 0
    for offset in sorted(latest):
        if offset == position < stream.kept_bytes:
            data = await bucket.get(latest[offset])
            spool.keep_input(stream.number, position, data)
            position += len(data)
    return position >= stream.kept_bytes
