"""An operator reads the recordings of a bucket beside the services."""

from storage.s3 import BucketSettings, S3Storage, open_recordings
from storage.s3.writing.recording import S3Recording
from storage.verification import check_audio
from tests.storage.conftest import bucket_settings


async def test_a_completed_recording_is_found_and_fits_its_receipt(
    writer: S3Storage, recording: S3Recording, moto_url: str, prefix: str
) -> None:
    await recording.complete(recording.manifest.created_at)
    settings: BucketSettings = bucket_settings(moto_url, prefix=prefix)
    async with open_recordings(settings) as found:
        (session_id,) = [each async for each in found.sessions()]
        receipt = (await found.manifest(session_id)).receipt
        assert receipt is not None
        blocks = await found.blocks(session_id)
        assert await check_audio(await found.audio(session_id), receipt, blocks) == []
