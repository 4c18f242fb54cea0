"""Detection of the format of a stream from its first bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.audio.detection import begins_container, begins_file, begins_wav, detect
from api.audio.formats import InputKind
from tests.audio import encode, pcm, speech, wav

ENCODED: dict[str, tuple[str, ...]] = {
    "wav": ("-f", "wav"),
    "mp3": ("-id3v2_version", "0", "-f", "mp3"),
    "flac": ("-f", "flac"),
    "aac": ("-c:a", "aac", "-f", "adts"),
    "ogg": ("-c:a", "libopus", "-f", "ogg"),
    "webm": ("-c:a", "libopus", "-f", "webm"),
    "mp4": ("-c:a", "aac", "-movflags", "frag_keyframe+empty_moov", "-f", "mp4"),
}


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    made = {kind: encode(speech(), *options) for kind, options in ENCODED.items()}
    assert all(len(data) > 1000 for data in made.values())
    return made


@pytest.mark.parametrize("kind", ENCODED)
@pytest.mark.parametrize("declared", ["wav", "flac", "aac"])
def test_a_file_is_detected_whatever_format_was_declared(
    files: dict[str, bytes], kind: str, declared: InputKind
) -> None:
    assert detect(files[kind], declared) == kind


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "webm", "mp4"])
def test_a_container_is_detected_if_raw_pcm_was_declared(
    files: dict[str, bytes], kind: str
) -> None:
    assert detect(files[kind], "mulaw") == kind


def test_a_sync_word_is_not_detected_if_raw_pcm_was_declared(files: dict[str, bytes]) -> None:
    assert detect(files["aac"], "mulaw") == "mulaw"


@pytest.mark.parametrize("kind", ENCODED)
def test_detection_of_a_prefix_is_correct_or_undecided(files: dict[str, bytes], kind: str) -> None:
    answers = [detect(files[kind][:length], "wav") for length in range(1, 4000)]
    assert set(answers) == {None, kind}
    first = answers.index(kind)  # type: ignore[arg-type]
    assert set(answers[first:]) == {kind}


@pytest.mark.parametrize("kind", ["mp3", "aac"])
def test_declared_mpeg_audio_needs_one_frame_header(
    files: dict[str, bytes], kind: InputKind
) -> None:
    data = files[kind]
    start = data.index(b"\xff", 0 if kind == "aac" else 10)
    assert detect(data[start : start + 8], kind) == kind


@given(st.binary(min_size=1, max_size=64), st.sampled_from(["wav", "mulaw", "pcm_f32le"]))
def test_unrecognised_bytes_are_raw_pcm(head: bytes, declared: InputKind) -> None:
    raw = "pcm_s16le" if declared == "wav" else declared
    assert detect(b"\x01" + head, declared) == raw


@pytest.mark.parametrize("seed", range(200))
def test_noise_is_raw_pcm(seed: int) -> None:
    assert detect(pcm(8192, seed=seed), "wav") == "pcm_s16le"


def test_pcm_that_begins_with_a_sync_word_is_raw_pcm() -> None:
    assert detect(b"\xff\xfb\x90\x00" + pcm(4096), "wav") == "pcm_s16le"
    assert detect(b"\xff\xf1\x50\x80\x02\x1f\xfc" + pcm(8192), "wav") == "pcm_s16le"


@given(st.binary(max_size=20000))
def test_detection_decides_within_8_kib_or_at_the_end(data: bytes) -> None:
    assert detect(data + bytes(8200), "wav") is not None
    assert detect(data, "wav", at_end=True) is not None


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "webm", "mp4"])
def test_the_first_bytes_of_a_file_are_recognised(files: dict[str, bytes], kind: str) -> None:
    assert begins_file(files[kind])
    assert begins_file(files[kind][:64])


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "webm", "mp4"])
def test_the_middle_of_a_file_is_not_taken_for_a_new_file(
    files: dict[str, bytes], kind: str
) -> None:
    data = files[kind]
    assert not any(begins_container(data[start : start + 100]) for start in range(1, len(data), 7))


@pytest.mark.parametrize("magic", [b"RIFF", b"OggS", b"fLaC", b"\x1a\x45\xdf\xa3", b"1234ftyp"])
def test_a_bare_signature_in_audio_is_not_taken_for_a_new_file(magic: bytes) -> None:
    assert not begins_file(magic + pcm(100))
    assert begins_file(magic, at_end=True) is False
    assert begins_file(magic[:3] if magic != b"1234ftyp" else b"\0\0\0\x18ft") is None


def test_two_frames_begin_a_file(files: dict[str, bytes]) -> None:
    for kind in ("mp3", "aac"):
        answers = [begins_file(files[kind][:length]) for length in range(1, 4000)]
        assert set(answers) == {None, True}
        assert begins_file(files[kind][:64], one_frame=True)


def test_in_raw_pcm_only_a_whole_riff_header_begins_a_wav() -> None:
    """PCM may contain any bytes, so twelve fixed ones must match, at the start of a chunk."""
    start = b"RIFF\x24\0\0\0WAVEfmt "
    assert begins_wav(start + pcm(100))
    assert not begins_wav(b"RF64" + start[4:] + pcm(100))
    assert not any(begins_wav(start[:length]) for length in range(len(start)))
    assert not begins_wav(b"\0\0" + start)


def test_rf64_begins_a_file() -> None:
    assert begins_file(b"RF64" + wav(b"")[4:])
