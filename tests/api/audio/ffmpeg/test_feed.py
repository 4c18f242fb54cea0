"""The way of one stream into ffmpeg: chunks wait for its start, and leave it in order."""

import asyncio

import psutil
import pytest

from api.audio.ffmpeg.feed import FfmpegFeed
from api.audio.ffmpeg.launcher import DecoderLauncher
from api.audio.formats import DecodeError, DecoderLostError
from api.audio.framing.adts import AdtsFramer
from api.audio.framing.framer import Framer
from api.audio.framing.mp4 import Mp4Framer
from api.audio.framing.webm import WebmFramer
from storage.pcm import Buffer, PcmFormat
from tests.api.audio.framing.test_adts import adts_frames, with_channels
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


CONTAINERS: dict[str, tuple[type[Framer], tuple[str, ...]]] = {
    "matroska": (WebmFramer, ("-f", "matroska", "-cluster_time_limit", "500")),
    "mp4": (
        Mp4Framer,
        ("-movflags", "delay_moov+default_base_moof", "-frag_duration", "200000", "-f", "mp4"),
    ),
}


def damaged_aac(demuxer: str) -> bytes:
    """Return AAC of which a frame in the middle lists more channels than ffmpeg can mix."""
    frames = adts_frames(encode(wav(speech()[44:], sample_rate=22050), "-c:a", "aac", "-f", "adts"))
    middle = len(frames) // 2
    frames[middle] = with_channels(frames[middle], 13)
    # Only MP4 takes the description of the codec from the first frame.
    fragmented = ("-bsf:a", "aac_adtstoasc", *CONTAINERS["mp4"][1])
    whole = encode(b"".join(frames), "-c", "copy", *fragmented)
    return encode(whole, "-c", "copy", *CONTAINERS[demuxer][1])


PACE_SECONDS = 0.5  # for 500 bytes, which a live stream has in much less


def live_bytes(data: bytes, sent: int) -> int:
    """Return how much of speech is decoded after ``sent`` bytes of ``data``, at a live pace.

    Half a second may be on its way.
    """
    return int((len(speech()) - 44) * sent / len(data)) - 22050


@pytest.mark.parametrize("demuxer", CONTAINERS)
async def test_a_new_file_begins_behind_damage_that_ends_ffmpeg(demuxer: str) -> None:
    framer, data = CONTAINERS[demuxer][0], damaged_aac(demuxer)
    feed, sent = Feed(demuxer, framer()), 0
    decoder = await feed._wait_started()

    def keeps_pace() -> bool:
        return len(feed.out) >= live_bytes(data, sent) or decoder.damage is not None

    pieces = cut(data, 500)
    for piece in pieces:
        await feed.feed(piece)
        if feed.next_file is not None:
            break
        sent += len(piece)
        await eventually(keeps_pace, awaiting="what ffmpeg decodes of a live stream by now")
        if decoder.damage is not None:  # it exits when it has read a whole frame more
            await asyncio.wait([decoder._stdout_task], timeout=PACE_SECONDS)
    with pytest.raises(DecodeError, match="channels"):
        await feed.finish()
    await feed.abort()
    assert feed.next_file is not None
    following = Feed(demuxer, framer())
    rest = feed.next_file + b"".join(pieces)
    await following.feed(rest)
    await following.finish()
    assert bytes(following.out) == decode(rest, sample_rate=22050)
    lost = (len(speech()) - 44) - len(feed.out) - len(following.out)
    assert lost < 2 * 22050  # a second


async def test_a_file_of_which_nothing_was_decoded_is_not_begun_again() -> None:
    feed = Feed("matroska", WebmFramer())
    data = encode(wav(pcm(800_000)), "-c:a", "aac", "-f", "matroska").replace(b"A_AAC", b"A_XXX")
    with pytest.raises(DecodeError):
        for piece in cut(data, 5000):
            await feed.feed(piece)
            await asyncio.sleep(0.01)
        await feed.finish()
    await feed.abort()
    assert feed.next_file is None


async def test_abort_leaves_no_process_at_any_moment_of_the_start() -> None:
    at_once = Feed("wav")
    await at_once.abort()
    await at_once.abort()
    started = Feed("wav")
    await eventually(lambda: started._decoder, awaiting="a started decoder")
    await started.abort()
    await eventually(
        lambda: [child for child in psutil.Process().children() if "ffmpeg" in child.name()],
        lambda left: not left,
        awaiting="no child process",
    )
    for feed in (at_once, started):
        with pytest.raises(DecoderLostError):
            await feed.feed(b"x")
