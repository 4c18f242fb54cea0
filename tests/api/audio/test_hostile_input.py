"""Hostile input cannot make ffmpeg open files, addresses or codecs, even without the sandbox."""

import contextlib
import logging
import socket
import subprocess
from pathlib import Path
from typing import NamedTuple

import imageio_ffmpeg
import pytest

from api.audio.ffmpeg.command import arguments, binary
from api.audio.ffmpeg.launcher import DecoderLauncher
from api.audio.ffmpeg.sandbox import Sandbox
from api.audio.formats import DecodeError, DecoderLostError
from storage.pcm import Buffer, PcmFormat
from tests import hostile_media
from tests.audio import decode, encode, speech

MONO = PcmFormat(22050, 1)
OFFERED = ("wav", "mp3", "flac", "aac", "ogg", "matroska", "mp4")
VIDEO = ("-f", "lavfi", "-i", "testsrc=size=64x48:rate=5:duration=5")
COVER = (
    "-f", "lavfi", "-i", "testsrc=size=64x48:rate=1:duration=1",
    "-map", "0:a", "-map", "1:v", "-c:v", "png", "-disposition:v", "attached_pic",
)  # fmt: skip
FRAGMENTED = ("-movflags", "frag_keyframe+empty_moov+default_base_moof", "-f", "mp4")


@pytest.fixture(
    params=[binary(), imageio_ffmpeg.get_ffmpeg_exe()], ids=["the system's", "imageio-ffmpeg's"]
)
def ffmpeg(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    program: str = request.param
    monkeypatch.setattr("api.audio.ffmpeg.launcher.binary", lambda: program)
    monkeypatch.setattr("tests.audio.binary", lambda: program)
    monkeypatch.setattr("api.audio.ffmpeg.launcher.sandbox", lambda: Sandbox((), ()))
    return program


class HostileFile(NamedTuple):
    demuxer: str
    data: bytes
    unlocked: tuple[str, ...]  # options that make ffmpeg follow the reference

    def command(self, ffmpeg: str) -> tuple[str, ...]:
        protocols = ("-protocol_whitelist", "pipe,fd,file,http,tcp")
        source = ("-f", self.demuxer, "-i", "pipe:0", "-f", "s16le", "pipe:1")
        return (ffmpeg, "-loglevel", "quiet", *protocols, *self.unlocked, *source)


HLS = ("-allowed_extensions", "ALL", "-extension_picky", "0")
CONCAT = ("-safe", "0")
DREF = ("-enable_drefs", "1", "-use_absolute_path", "1")


def hostile_file(kind: str, folder: Path) -> HostileFile:
    """Return a file that refers to a recording in ``folder``."""
    if kind == "mp4":
        target = folder / "secret.mov"
        encode(speech(), "-c:a", "pcm_s16le", str(target), "-f", "null")
        return HostileFile("mp4", hostile_media.without_media(target.read_bytes(), target), DREF)
    target = folder / "secret.wav"
    target.write_bytes(speech())
    if kind == "hls":
        return HostileFile("hls", hostile_media.hls(f"file://{target}"), HLS)
    return HostileFile("concat", hostile_media.ffconcat(f"file:{target}"), CONCAT)


async def decoded(demuxer: str, data: bytes) -> bytes:
    """Return the audio that a decoder emits for ``data``, whether or not it fails."""
    out = bytearray()

    async def emit(pcm: Buffer) -> None:
        out.extend(pcm)

    decoder = await DecoderLauncher().start(demuxer, MONO, emit)
    with contextlib.suppress(DecodeError, DecoderLostError):
        await decoder.feed(data)
        await decoder.finish()
    await decoder.kill()
    return bytes(out)


@pytest.mark.parametrize("kind", ["hls", "ffconcat", "mp4"])
async def test_ffmpeg_does_not_read_a_file_that_the_input_refers_to(
    ffmpeg: str, kind: str, tmp_path: Path
) -> None:
    hostile = hostile_file(kind, tmp_path)
    taken = subprocess.run(
        hostile.command(ffmpeg), input=hostile.data, stdout=subprocess.PIPE, check=False
    ).stdout
    assert taken == speech()[-len(taken) :] != b""
    for demuxer in {hostile.demuxer, *OFFERED}:
        assert await decoded(demuxer, hostile.data) == b""
    locked = (ffmpeg, *hostile.unlocked, *arguments(hostile.demuxer, MONO, "error"))
    refused = subprocess.run(locked, input=hostile.data, capture_output=True, check=False)
    assert b"Protocol 'file' not on whitelist 'pipe,fd'" in refused.stderr
    assert not refused.stdout


async def test_ffmpeg_does_not_open_an_address_that_the_input_refers_to(ffmpeg: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/secret.wav"
        hostile = HostileFile("hls", hostile_media.hls(address), HLS)
        for demuxer in {hostile.demuxer, *OFFERED}:
            assert await decoded(demuxer, hostile.data) == b""
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
        server.settimeout(30)
        with subprocess.Popen(hostile.command(ffmpeg), stdin=subprocess.PIPE) as process:
            assert process.stdin
            process.stdin.write(hostile.data)
            process.stdin.close()
            server.accept()[0].close()  # with the options, ffmpeg connects
            process.kill()


async def test_ffmpeg_opens_only_the_requested_container(ffmpeg: str) -> None:
    options = list(arguments("matroska", MONO, "error"))
    data = encode(speech(), "-c:a", "pcm_s16le", "-f", "avi")
    options[options.index("-f") + 1] = "avi"
    refused = subprocess.run([ffmpeg, *options], input=data, capture_output=True, check=False)
    assert b"not on whitelist 'matroska'" in refused.stderr
    assert not refused.stdout
    options[options.index("-format_whitelist") + 1] = "avi"
    allowed = subprocess.run([ffmpeg, *options], input=data, capture_output=True, check=False)
    assert len(allowed.stdout) > 200_000


@pytest.mark.parametrize(("demuxer", "codec"), [("matroska", "ac3"), ("wav", "adpcm_yamaha")])
async def test_audio_in_a_codec_that_is_not_offered_is_refused(
    ffmpeg: str, demuxer: str, codec: str
) -> None:
    data = encode(speech(), "-c:a", codec, "-f", demuxer)
    assert decode(data, sample_rate=22050)
    decoder = await DecoderLauncher().start(demuxer, MONO, nothing)
    with pytest.raises(DecodeError, match=r"^the codec of the audio is"):
        await decoder.feed(data)
        await decoder.finish()
    await decoder.kill()


async def nothing(pcm: Buffer) -> None:
    raise AssertionError(f"{len(pcm)} bytes of audio")


FILMS = {
    "webm": ("matroska", "vp8", (*VIDEO, "-c:v", "libvpx", "-c:a", "libopus", "-f", "webm")),
    "mp4": ("mp4", "h264", (*VIDEO, "-c:v", "libx264", "-c:a", "aac", *FRAGMENTED)),
    "mp3 with a cover": ("mp3", "png", (*COVER, "-c:a", "libmp3lame", "-f", "mp3")),
    "flac with a cover": ("flac", "png", (*COVER, "-c:a", "flac", "-f", "flac")),
}


@pytest.mark.parametrize("name", FILMS)
async def test_ffmpeg_opens_only_the_audio_of_a_video(
    ffmpeg: str, name: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    demuxer, pictures, options = FILMS[name]
    film = tmp_path / "film"  # a file, because ffmpeg must seek back to write lengths
    encode(speech(), *options, str(film), "-f", "null")
    data, out = film.read_bytes(), bytearray()

    async def emit(pcm: Buffer) -> None:
        out.extend(pcm)

    decoder = await DecoderLauncher().start(demuxer, MONO, emit)
    with caplog.at_level(logging.INFO):
        await decoder.feed(data)
        await decoder.finish()
    assert bytes(out) == decode(data, sample_rate=22050)
    assert len(out) > 200_000
    assert f"Codec ({pictures}) not on whitelist" in caplog.text
