"""A new file may begin at any boundary of a container; the result does not depend on the cuts."""

import functools
import itertools
from collections.abc import Callable, Iterator

import pytest

from api.audio.framing.adts import AdtsFramer
from api.audio.framing.flac import FlacFramer
from api.audio.framing.framer import Framer
from api.audio.framing.mp4 import Mp4Framer
from api.audio.framing.mpeg import MpegFramer
from api.audio.framing.ogg import OggFramer
from api.audio.framing.wav import WavFramer
from api.audio.framing.webm import WebmFramer
from api.audio.pcm import PcmFramer
from api.audio.tags import id3_bytes
from storage.pcm import Buffer
from tests.audio import chunk, cut_anywhere, encode, pcm, speech, wav
from tests.framers import framed, split

FRAGMENTED = ("-movflags", "frag_keyframe+empty_moov+default_base_moof", "-f", "mp4")
ENCODINGS: dict[str, tuple[str, ...]] = {
    "aac": ("-c:a", "aac", "-f", "adts"),
    "mp3": ("-f", "mp3", "-id3v2_version", "0"),
    "mp3 with a tag": ("-f", "mp3"),
    "flac": ("-f", "flac"),
    "short flac": ("-t", "0.03", "-f", "flac"),
    "adpcm": ("-c:a", "adpcm_ms", "-f", "wav"),
    "ogg": ("-c:a", "libopus", "-f", "ogg"),
    "webm": ("-c:a", "libopus", "-f", "webm"),
    "live webm": ("-c:a", "libopus", "-f", "webm", "-live", "1"),
    "mkv": ("-c:a", "flac", "-f", "matroska"),
    "mp4": ("-c:a", "aac", *FRAGMENTED),
}


@functools.cache
def encoded(name: str) -> bytes:
    """Return a file; a WAV without its header if it is the first of two."""
    once = wav(speech()[44 : 44 + 44100], sample_rate=22050)
    if name == "wav":
        return wav(pcm(3000), sample_rate=22050)
    data = encode(once, *ENCODINGS[name])
    return with_size(data) if name == "adpcm" else data


def with_size(data: bytes) -> bytes:
    """Return the WAV with the size of its audio, and with a chunk behind it."""
    start = data.index(b"data") + 8
    size = len(data) - start
    return data[: start - 4] + size.to_bytes(4, "little") + data[start:] + chunk(b"note", b"odd")


class PcmOfWav:
    """PCM that passes through, as a framer."""

    skipped_bytes = 0
    finds_files = True

    unframed = b""

    def __init__(self) -> None:
        self._pcm = PcmFramer(2, 2 * 3000)

    def restart(self) -> None:
        """Return None."""

    @property
    def next_file(self) -> bytes | None:
        return self._pcm.next_file

    def feed(self, data: Buffer) -> Iterator[Buffer]:
        yield self._pcm.feed(data)

    def cut(self) -> None: ...

    def finish(self) -> Iterator[Buffer]:
        yield b""


FRAMERS: dict[str, Callable[[], Framer]] = {
    "aac": AdtsFramer,
    "adpcm": lambda: WavFramer(len(encoded("adpcm")) - len(chunk(b"note", b"odd"))),
    "flac": FlacFramer,
    "short flac": FlacFramer,
    "mp3": MpegFramer,
    "ogg": OggFramer,
    "webm": WebmFramer,
    "live webm": WebmFramer,
    "mkv": WebmFramer,
    "mp4": Mp4Framer,
    "wav": PcmOfWav,
}


# ADTS after ADTS, and MP3 after MP3, is one stream: there is nothing between two files.
PAIRS = [
    (first, second)
    for first, second in itertools.product(FRAMERS, [*ENCODINGS, "wav"])
    if (first, second) not in {("aac", "aac"), ("mp3", "mp3"), ("mp3", "mp3 with a tag")}
]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_the_next_file_is_found_however_the_input_is_cut(first: str, second: str) -> None:
    head = encoded(first)[44:] if first == "wav" else encoded(first)
    following = encoded(second)
    expected = framed(FRAMERS[first](), [head])[0]
    whole = head + following
    around = range(len(head) - 80, len(head) + 80)
    cuts = [[whole], list(cut_anywhere(whole, seed=1, largest=700))]
    cuts += [[whole[:place], whole[place:]] for place in around]
    cuts.append([whole[: around[0]], *(whole[i : i + 1] for i in around), whole[around[-1] + 1 :]])
    tag = following[: id3_bytes(following) or 0] if following.startswith(b"ID3") else b""
    for pieces in cuts:
        passed, skipped_bytes, rest = split(FRAMERS[first](), pieces)
        assert passed == expected
        assert rest in {following, following.removeprefix(tag)}
        assert skipped_bytes == 0


@pytest.mark.parametrize("name", ["webm", "live webm", "mp4", "ogg"])
def test_a_file_after_one_that_was_cut_off_is_found(name: str) -> None:
    whole = encoded(name)[: len(encoded(name)) * 2 // 3] + encoded(name)
    results = {split(FRAMERS[name](), [whole])[1:]}
    results |= {
        split(FRAMERS[name](), list(cut_anywhere(whole, seed=seed)))[1:] for seed in range(5)
    }
    ((skipped_bytes, rest),) = results
    assert rest == encoded(name)
    assert skipped_bytes > 0
