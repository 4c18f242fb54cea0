"""Restore a spool from the bucket, if the node that takes a session over has none."""

from storage import threads
from storage.checkpoint import Checkpoint, StreamCheckpoint
from storage.errors import StorageUnavailableError
from storage.s3 import keys
from storage.s3.client.bucket import Bucket
from storage.s3.keys import SessionKeys
from storage.s3.writing.final_file import uploaded_pcm
from storage.s3.writing.segment_log import SegmentLog
from storage.s3.writing.spool import Spool
from storage.s3.writing.upload import Upload


async def restore_spool(
    bucket: Bucket,
    spool: Spool,
    segments: SegmentLog,
    persisted: Checkpoint,
    *,
    upload: Upload | None,
    part_bytes: int,
) -> None:
    """Fetch the PCM that the final file still needs, and the input of open streams."""
    hole = uploaded_pcm(upload, part_bytes)
    await threads.recording.run(spool.begin_restore, persisted.pcm_bytes, hole)
    for start, stop in ((0, min(hole[0], persisted.pcm_bytes)), (hole[1], persisted.pcm_bytes)):
        position = start
        async for block in segments.read(start, stop):
            await threads.recording.run(spool.write, block, position)
            position += len(block)
    for stream in persisted.streams:
        await _restore_input(bucket, spool, segments.keys, stream)
    await threads.recording.run(spool.end_restore, persisted)


async def _restore_input(
    bucket: Bucket, spool: Spool, session: SessionKeys, stream: StreamCheckpoint
) -> None:
    # A writer that lost the session may have left input that no checkpoint counts. Its
    # successor began at or before that offset: of several at one offset, use the latest epoch.
    stored = await bucket.keys(session.input_of(stream.number))
    latest = {keys.input_offset(key): key for key in sorted(stored)}
    position = 0
    for offset, key in latest.items():
        if offset == position < stream.kept_bytes:
            data = await bucket.get(key)
            spool.keep_input(stream.number, position, data)
            position += len(data)
    if position < stream.kept_bytes:
        raise StorageUnavailableError(f"{session.input_of(stream.number)} is not whole")
