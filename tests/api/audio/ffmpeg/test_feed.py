"""The way of one stream into ffmpeg: chunks wait for its start, and leave it in order."""

import psutil
import pytest

from api.audio.ffmpeg.feed import FfmpegFeed
from api.audio.ffmpeg.launcher import DecoderLauncher
from api.audio.formats import DecodeError, DecoderLostError
from api.audio.framing.adts import AdtsFramer
from api.audio.framing.framer import Framer
from storage.pcm import Buffer, PcmFormat
from tests.audio import cut, decode, encode, pcm, speech, wav
from tests.eventually import eventually

FORMAT = PcmFormat(22050, 1)


class Feed(FfmpegFeed):
    """A feed that collects what ffmpeg emits."""

    def __init__(self, demuxer: str, framer: Framer | None = None) -> None:
        self.out = bytearray()
        super().__init__(DecoderLauncher(), demuxer, framer, FORMAT, self._collect)

    async def _collect(self, data: Buffer) -> None:
        self.out += data


async def test_chunks_are_accepted_before_ffmpeg_has_started() -> None:
    data = encode(speech(), "-c:a", "flac", "-f", "flac")
    feed = Feed("flac")
    await feed.feed(data[:5000])
    assert feed._decoder is None
    for piece in cut(data[5000:], 5000):
        await feed.feed(piece)
    await feed.finish()
    assert bytes(feed.out) == decode(data, sample_rate=22050)


async def test_a_start_with_much_input_slows_the_sender_down() -> None:
    feed = Feed("wav")
    data = wav(pcm(1_000_000), sample_rate=22050)
    await feed.feed(data)  # more than may be queued: returns after the start
    assert feed._decoder is not None
    await feed.finish()
    assert bytes(feed.out) == data[44:]


async def test_skipped_bytes_are_reported_after_all_audio_was_emitted() -> None:
    data = encode(wav(speech()[44:], sample_rate=22050), "-c:a", "aac", "-f", "adts")
    feed = Feed("aac", AdtsFramer())
    await feed.feed(b"no frame" + data)
    with pytest.raises(DecodeError, match="damaged bytes were skipped"):
        await feed.finish()
    assert bytes(feed.out) == decode(data, sample_rate=22050)


async def test_abort_leaves_no_process_at_any_moment_of_the_start() -> None:
    at_once = Feed("wav")
    await at_once.abort()
    await at_once.abort()
    started = Feed("wav")
    await eventually(lambda: started._decoder, awaiting="a started decoder")
    await started.abort()
    left = [child for child in psutil.Process().children() if "ffmpeg" in child.name()]
    assert left == []
    for feed in (at_once, started):
        with pytest.raises(DecoderLostError):
            await feed.feed(b"x")
