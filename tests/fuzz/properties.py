"""Properties for any bytes: a result or a `DecodeError`, in time, and the same for every cut."""

from collections.abc import Callable, Sequence
from random import Random
from typing import ParamSpec, TypeVar

from api.audio.choice import Choice, choose
from api.audio.detection import begins_container, begins_file, detect, find_start
from api.audio.formats import RAW_KINDS, DecodeError, InputKind
from api.audio.framing.adts import AdtsFramer
from api.audio.framing.bare_pcm import BarePcmFramer
from api.audio.framing.framer import Framer
from api.audio.framing.mp4 import Mp4Framer
from api.audio.framing.ogg import OggFramer
from api.audio.framing.webm import WebmFramer
from api.audio.pcm import PcmFramer
from api.audio.wav_header import parse_header
from storage.pcm import PcmFormat
from tests.framers import framed

KINDS: tuple[InputKind, ...] = (
    "wav", "mp3", "flac", "aac", "pcm_s16le", "pcm_f32le", "mulaw", "alaw", "g722", "webm", "ogg",
    "mp4",
)  # fmt: skip
KINDS_WITH_SIGNATURE: set[InputKind | None] = {"wav", "flac", "ogg", "webm", "mp4"}
FORMATS = (PcmFormat(22050, 1), PcmFormat(44100, 1), PcmFormat(44100, 2))

# The most bytes that detection and the choice of a decoder wait for.
MAX_DETECTION_BYTES = 8 * 1024
MAX_TAGGED_BYTES = 64 * 1024 + MAX_DETECTION_BYTES
MAX_CHOICE_BYTES = 256 * 1024

# Audio sizes that the header of a WAV may state.
DATA_BYTES = (None, 1, 7, 100, 2**32 - 1, 2**63, 2**64 - 2)
# The bytes before the PCM: a cluster, its timestamp, and the head of its block.
MATROSKA_HEAD_BYTES = 4 + 8 + 1 + 8 + 8 + 1 + 8 + 4

P = ParamSpec("P")
T = TypeVar("T")
Property = Callable[[bytes, Random], None]


class Refused(str):
    """The message of a `DecodeError`."""

    __slots__ = ()


def attempt(act: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T | Refused:
    """Return the result of ``act``, or the message of a `DecodeError`."""
    try:
        return act(*arguments, **options)
    except DecodeError as error:
        return Refused(error)


def prefixes(data: bytes, random: Random) -> list[bytes]:
    """Return some prefixes of ``data``, in order of length, the whole last."""
    near = range(min(len(data), 16))
    some = (random.randint(0, min(len(data), most)) for most in (64, 64, 400, 400, 9000, 9000))
    return [data[:length] for length in sorted({*near, *some, len(data)})]


def random_chunks(data: bytes, random: Random) -> list[bytes]:
    """Return ``data`` cut anywhere."""
    found, start, largest = [], 0, random.choice((2, 20, 300, 3000, 100_000))
    while start < len(data):
        size = random.randint(0, largest)
        found.append(data[start : start + size])
        start += size
    return found


def assert_stable(answers: Sequence[T]) -> T:
    """Check that the answers change only once, from None; return the last one."""
    settled = [answer for answer in answers if answer is not None]
    assert all(answer == answers[-1] for answer in settled), settled
    assert all(answer is not None for answer in answers[len(answers) - len(settled) :]), answers
    return answers[-1]


def detection(data: bytes, random: Random) -> None:
    declared = random.choice(KINDS)
    kind = assert_stable([detect(head, declared) for head in prefixes(data, random)])
    at_end = detect(data, declared, at_end=True)
    assert at_end is not None
    assert kind in {None, at_end}
    assert detect(data + bytes(MAX_TAGGED_BYTES), declared) is not None
    if not data.startswith(b"ID3"):
        assert detect(data + bytes(MAX_DETECTION_BYTES), declared) is not None
    if declared in RAW_KINDS:
        assert at_end in KINDS_WITH_SIGNATURE | {declared, "mp3", "aac"}
        assert at_end not in {"mp3", "aac"} or data.startswith(b"ID3")


def beginning_of_files(data: bytes, random: Random) -> None:
    answers = [begins_file(head) for head in prefixes(data, random)]
    decided = [answer for answer in answers if answer is not None]
    assert len(set(decided)) <= 1
    assert begins_file(data, at_end=True) in {True, False}
    if begins_container(data):
        assert begins_file(data)
        assert detect(data, random.choice(KINDS)) in KINDS_WITH_SIGNATURE


def search_for_the_start(data: bytes, random: Random) -> None:
    for kind in KINDS:
        assert -1 <= find_start(data, kind) <= len(data)


def wav_headers(data: bytes, random: Random) -> None:
    data = b"RIFF" + data[4:8].ljust(4, b"\0") + b"WAVE" + data[12:]
    heads = [head for head in prefixes(data, random) if len(head) >= 12]
    header = assert_stable([attempt(parse_header, head) for head in heads])
    if header is not None and not isinstance(header, Refused):
        assert 12 <= header.data_offset <= len(data)
        assert header.channels > 0
        assert header.sample_rate > 0


def choices(data: bytes, random: Random) -> None:
    declared, pcm_format = random.choice(KINDS), random.choice(FORMATS)
    heads = prefixes(data, random)
    found = assert_stable([attempt(choose, head, declared, pcm_format) for head in heads])
    at_end = attempt(choose, data, declared, pcm_format, at_end=True)
    assert at_end is not None
    assert found in {None, at_end}
    assert attempt(choose, data + bytes(MAX_CHOICE_BYTES), declared, pcm_format) is not None
    if isinstance(found, Choice):
        assert 0 <= found.offset <= len(data)
        assert found.way == "ffmpeg" or found.found in {None, pcm_format}


def pcm_framing(data: bytes, random: Random) -> None:
    frame_bytes, data_bytes = random.choice((1, 2, 3, 4, 6, 8, 16)), random.choice(DATA_BYTES)
    whole = bytes(PcmFramer(frame_bytes, data_bytes).feed(data))
    assert len(whole) % frame_bytes == 0
    assert len(whole) <= len(data)
    framer, out = PcmFramer(frame_bytes, data_bytes), b""
    for piece in random_chunks(data, random):
        pcm = bytes(framer.feed(piece))
        assert len(pcm) % frame_bytes == 0
        out += pcm
        if framer.next_file is not None:
            break
        framer = PcmFramer.restored(frame_bytes, framer.state())
    assert out == whole


def bare_pcm_framing(data: bytes, random: Random) -> None:
    """Check that the payload of the blocks equals the output of `PcmFramer`."""
    channels, data_bytes = random.choice((1, 2)), random.choice(DATA_BYTES)
    samples, sample_bytes = random.choice((("s16le", 2), ("s24le", 3), ("f64le", 8), ("alaw", 1)))
    arguments = samples, 44100, channels, data_bytes
    header = b"".join(BarePcmFramer(*arguments).finish())
    framer = BarePcmFramer(*arguments)
    blocks, pieces = [], iter(random_chunks(data, random))
    for piece in pieces:
        blocks.append(b"".join(framer.feed(piece)))
        if framer.next_file is not None:
            break
    assert b"".join(framer.finish()) == (b"" if any(blocks) else header)
    pcm = b"".join(block.removeprefix(header)[MATROSKA_HEAD_BYTES:] for block in blocks)
    whole = PcmFramer(channels * sample_bytes, data_bytes)
    assert pcm == whole.feed(data)
    if framer.next_file is None:
        assert whole.next_file is None
    else:
        assert framer.next_file + b"".join(pieces) == whole.next_file


def adts_framing(data: bytes, random: Random) -> None:
    _framing(AdtsFramer, data, random)


def ogg_framing(data: bytes, random: Random) -> None:
    _framing(OggFramer, data, random)


def mp4_framing(data: bytes, random: Random) -> None:
    _framing(Mp4Framer, data, random)


def webm_framing(data: bytes, random: Random) -> None:
    _framing(WebmFramer, data, random)


def _framing(new: Callable[[], Framer], data: bytes, random: Random) -> None:
    """Check that the result is independent of the cut."""
    whole, skipped_bytes = framed(new(), [data])
    assert skipped_bytes <= len(data)
    assert framed(new(), random_chunks(data, random)) == (whole, skipped_bytes)


PROPERTIES: dict[str, Property] = {
    check.__name__: check
    for check in (
        detection, beginning_of_files, search_for_the_start, wav_headers, choices, pcm_framing,
        bare_pcm_framing, adts_framing, mp4_framing, ogg_framing, webm_framing,
    )
}  # fmt: skip
