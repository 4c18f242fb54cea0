"""Several files in one run of ``sercuescribe record``: each is recorded, or named as failed."""

import subprocess
from pathlib import Path

from api.audio.formats import CHANNELS, SAMPLE_RATES
from sercuescribe_client.cli import recorder
from tests.audio import pcm, wav
from tests.clients.python.cli.command import run, server_environ
from tests.service import Service

NOT_RECOGNISED = (
    "not recognised as audio; for raw audio, name its format with --format"
    " pcm_s16le|pcm_f32le|mulaw|alaw"
)


def test_input_without_a_byte_is_refused_and_no_session_is_created(
    service: Service, tmp_path: Path
) -> None:
    (tmp_path / "empty.wav").touch()
    sessions = service.get("/api/audio/sessions").json()["sessions"]
    done = run("record", "-", stdin=subprocess.DEVNULL, environ=server_environ(service))
    assert (done.returncode, done.stderr) == (
        1, "sercuescribe: -: empty, so nothing is recorded\n",
    )  # fmt: skip
    done = run("record", tmp_path / "empty.wav", environ=server_environ(service))
    assert (done.returncode, done.stdout) == (1, "")
    assert service.get("/api/audio/sessions").json()["sessions"] == sessions


def test_a_file_that_fails_does_not_stop_the_others_and_the_summary_names_it(
    service: Service, tmp_path: Path
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.wav").write_bytes(wav(pcm(800), sample_rate=16000))
    (tmp_path / "deep" / "broken.mp3").write_bytes(b"no audio, but the name of a file with audio")
    (tmp_path / "deep" / "notes.txt").write_bytes(b"some notes")
    (tmp_path / "deep" / ".hidden").write_bytes(b"hidden")
    (tmp_path / "z.wav").write_bytes(wav(pcm(1600), sample_rate=16000))
    missing = tmp_path / "missing.wav"
    done = run("record", missing, tmp_path, "--recursive", environ=server_environ(service))
    assert done.returncode == 1
    recorded = [line.split() for line in done.stdout.splitlines()]
    assert [(each[1], each[-1]) for each in recorded] == [("0.10", "z.wav"), ("0.05", "a.wav")]
    assert done.stderr.splitlines()[-4:] == [
        "sercuescribe: 2 of 4 files recorded",
        f"sercuescribe: failed: {missing}: No such file or directory",
        f"sercuescribe: failed: {tmp_path}/deep/broken.mp3: {NOT_RECOGNISED}",
        f"sercuescribe: left out, no audio: {tmp_path}/deep/notes.txt",
    ]
    done = run("record", tmp_path, environ=server_environ(service))
    assert done.returncode == 2
    assert "--recursive" in done.stderr


def test_the_command_knows_the_rates_and_channels_of_the_service() -> None:
    assert recorder.SAMPLE_RATES == SAMPLE_RATES
    assert max(CHANNELS) == recorder.MAX_CHANNELS
