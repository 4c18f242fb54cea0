"""``sercuescribe record`` against a real service, with every sample compared."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from sercuescribe_client.cli.file_type import is_recognised
from tests.audio import SPEECH, encode, pcm, speech, wav
from tests.clients.python.cli.command import (
    events,
    next_event,
    results,
    run,
    server_environ,
    start,
)
from tests.service import Service


@pytest.mark.parametrize(
    ("rate", "channels", "expected"),
    [
        (11025, 1, (16000, 1)),
        (24000, 1, (44100, 1)),
        (192000, 1, (96000, 1)),
        (44100, 6, (44100, 2)),
    ],
)
def test_a_wav_of_another_rate_is_recorded_with_the_next_one(
    service: Service,
    tmp_path: Path,
    rate: int,
    channels: int,
    expected: tuple[int, int],
) -> None:
    path = tmp_path / "other.wav"
    path.write_bytes(wav(pcm(rate, channels=channels), sample_rate=rate, channels=channels))
    done = run("record", path, "--json", environ=server_environ(service))
    assert done.returncode == 0, done.stderr
    (session,) = service.get("/api/audio/sessions?limit=1").json()["sessions"]
    assert (session["sample_rate"], session["channels"]) == expected
    assert session["duration_seconds"] == pytest.approx(1, abs=0.01)


def test_a_recording_has_the_given_title_and_metadata_or_the_name_of_its_file(
    service: Service, tmp_path: Path
) -> None:
    named = tmp_path / "Zoë, Interview.wav"
    named.write_bytes(wav(pcm(100), sample_rate=16000))
    server = ("--server", service.url)
    assert run("record", named, *server).returncode == 0
    given = ("--title", "A/B", "--meta", "project=radio", "--meta", "note=a=b")
    assert run("record", named, *given, *server).returncode == 0
    titled, plain = service.get("/api/audio/sessions?limit=2").json()["sessions"]
    assert (plain["title"], plain["metadata"]) == ("Zoë, Interview.wav", {})
    assert (titled["title"], titled["metadata"]) == ("A/B", {"project": "radio", "note": "a=b"})


def test_each_file_is_recorded_with_the_rate_and_channels_of_its_header(
    service: Service, tmp_path: Path
) -> None:
    stereo = tmp_path / "stereo.wav"
    stereo.write_bytes(wav(pcm(48000, channels=2), sample_rate=48000, channels=2))
    done = run("record", SPEECH, stereo, "--server", service.url, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    first, second = [each for each in events(done.stdout) if each["event"] == "completed"]
    assert service.pcm(first["session_id"]) == speech()[44:]
    assert service.pcm(second["session_id"]) == pcm(48000, channels=2)
    assert second["duration_seconds"] == 1.0
    assert second["chunks"] == second["acked"] == second["persisted"]


def test_standard_input_is_recorded_with_the_options(service: Service, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.write_bytes(pcm(16000))
    options = ("--sample-rate", "16000", "--format", "pcm_s16le", "--user-id", "alice")
    with raw.open("rb") as file, subprocess.Popen(["cat", raw], stdout=subprocess.PIPE) as cat:
        for stdin in (file, cat.stdout):
            done = run("record", "-", *options, stdin=stdin, environ=server_environ(service))
            assert done.returncode == 0, done.stderr
            session_id, seconds, *_ = done.stdout.split()
            assert (service.pcm(session_id), seconds) == (pcm(16000), "1.00")
            info = service.get(f"/api/audio/sessions/{session_id}").json()
            assert (info["user_id"], info["sample_rate"]) == ("alice", 16000)


def test_an_hour_at_full_speed_survives_a_crash_with_bounded_memory(
    start_service: Callable[..., Service], tmp_path: Path
) -> None:
    service, hour = start_service(), tmp_path / "hour.wav"
    data = pcm(16000 * 3600)
    hour.write_bytes(wav(data, sample_rate=16000))
    most_bytes = 0
    with start("record", hour, "--json", environ=server_environ(service)) as process:
        session_id = next_event(process.stdout, "session")["session_id"]
        running, is_killed = psutil.Process(process.pid), False
        while running.status() != psutil.STATUS_ZOMBIE:
            most_bytes = max(most_bytes, running.memory_info().rss)
            size = service.wav(session_id).stat().st_size
            if not is_killed and size > len(data) // 4:
                service.kill()
                service.start()
                is_killed = True
            time.sleep(0.01)  # the rest of the machine is for the command and the service
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert is_killed
    assert events(out)[-1]["duration_seconds"] == 3600
    assert service.pcm(session_id) == data
    assert most_bytes < 120_000_000


def test_a_decode_error_is_printed_and_fails_the_command(service: Service, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"RIFF\0\0\0\0WAVEdata\4\0\0\0" + bytes(200_000))
    done = run("record", tmp_path / "bad.wav", environ=server_environ(service))
    assert done.returncode == 1
    assert "bad.wav: " in done.stderr


def test_warnings_are_printed_and_audio_that_was_recorded_is_a_success(
    service: Service, tmp_path: Path
) -> None:
    damaged = bytearray(encode(speech(), "-c:a", "flac", "-f", "flac"))
    damaged[50_000:52_000] = pcm(1000)
    (tmp_path / "speech.flac").write_bytes(damaged)
    done = run("record", tmp_path / "speech.flac", environ=server_environ(service))
    assert done.returncode == 0
    _, line = done.stderr.splitlines()  # the first one names the session
    assert line.startswith("sercuescribe: speech.flac: warning: invalid sync code: ")
    assert "(decode_failed, noticed after chunk " in line
    listed = run("sessions", "list", "--has-warnings", "--json", environ=server_environ(service))
    session_id = done.stdout.split()[0]
    (info,) = [each for each in events(listed.stdout) if each["session_id"] == session_id]
    assert [each["code"] for each in info["warnings"]] == ["decode_failed"]
    shown = run("sessions", "show", session_id, environ=server_environ(service))
    assert "warning:                 invalid sync code" in shown.stdout


@pytest.mark.parametrize(
    ("name", "data", "cause"),
    [
        ("junk.mp3", b"ID3\x04\0\0\0\0\0\0" + pcm(5000), "decode_failed"),
        ("gsm.wav", wav(bytes(65 * 400), sample_rate=8000, format_tag=0x31), "GSM"),
        ("empty.wav", wav(b""), "no_audio"),
    ],
)
def test_a_file_of_which_nothing_was_recorded_fails_the_command_with_the_cause(
    service: Service, tmp_path: Path, name: str, data: bytes, cause: str
) -> None:
    (tmp_path / name).write_bytes(data)
    done = run("record", "--json", tmp_path / name, environ=server_environ(service))
    assert done.returncode == 1
    *warnings, last = done.stderr.splitlines()
    assert cause in warnings[0]
    assert last == f"sercuescribe: {name}: nothing was recorded"
    assert events(done.stdout)[-1]["warnings"]


def test_a_file_that_is_not_recognised_is_refused_unless_a_raw_format_is_named(
    service: Service, tmp_path: Path
) -> None:
    path = tmp_path / "take.bin"
    path.write_bytes(b"\x01" + pcm(1000))
    for options in ((), ("--format", "wav")):
        done = run("record", path, *options, environ=server_environ(service))
        assert (done.returncode, done.stdout) == (1, "")
        assert "take.bin: not recognised as audio; for raw audio, name its format" in done.stderr
    done = run("record", path, "--format", "pcm_s16le", environ=server_environ(service))
    assert done.returncode == 0
    assert service.pcm(done.stdout.split()[0]) == path.read_bytes()[:2000]


@pytest.mark.parametrize(
    "arguments",
    [
        ("-f", "wav"),
        ("-f", "flac"),
        ("-f", "mp3"),
        ("-f", "mp3", "-id3v2_version", "0", "-write_xing", "0"),
        ("-f", "adts"),
        ("-c:a", "libopus", "-f", "ogg"),
        ("-c:a", "libopus", "-f", "webm"),
        ("-c:a", "aac", "-movflags", "empty_moov", "-f", "mp4"),
    ],
)
def test_every_offered_file_format_is_recognised(arguments: tuple[str, ...]) -> None:
    assert is_recognised(encode(speech(), *arguments)[:64])


@pytest.mark.parametrize("arguments", [(), ("--mic", str(SPEECH)), ("no such file",)])
def test_invalid_usage_is_exit_code_2(arguments: tuple[str, ...]) -> None:
    assert run("record", *arguments).returncode == 2


def test_an_unreachable_service_is_exit_code_5() -> None:
    done = run("record", SPEECH, "--retry-timeout", "0.5", "--server", "http://127.0.0.1:1")
    assert done.returncode == 5
    first, *_, last = done.stderr.splitlines()
    assert first.startswith(f"{SPEECH.name}: connecting to http://127.0.0.1:1 (attempt ")
    assert "gave up" in last
    assert "--server" in last


def test_each_change_of_the_state_is_one_line(
    start_service: Callable[..., Service], tmp_path: Path
) -> None:
    """However often it tries to connect, and also if another client pauses the session."""
    service = start_service()
    audio = tmp_path / "audio"
    audio.write_bytes(pcm(8000 * 60))
    options = ("--format", "pcm_s16le", "--sample-rate", "8000", "--realtime")
    with start("record", audio, *options, environ=server_environ(service)) as process:
        assert process.stderr is not None
        while " session " not in (line := process.stderr.readline()):
            assert line.startswith("audio: connecting to ")  # the service answers slowly
        session = line.split()[-1]
        service.post(f"/api/audio/sessions/{session}/pause")
        assert process.stderr.readline().startswith("audio: paused; ")
        service.post(f"/api/audio/sessions/{session}/resume")
        assert process.stderr.readline() == "audio: recording\n"
        service.kill()
        refuse_connections(service.port, 3)
        service.start()
        assert process.stderr.readline().startswith("audio: connecting to ")
        assert process.stderr.readline() == "audio: recording\n"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130


def refuse_connections(port: int, count: int) -> None:
    """Accept and close so many connections."""
    with socket.create_server(("127.0.0.1", port)) as server:
        server.settimeout(30)
        for _ in range(count):
            server.accept()[0].close()


def test_a_name_that_does_not_resolve_ends_the_command_at_once() -> None:
    done = run("record", SPEECH, SPEECH, "--server", "http://sercuescribe.invalid", "--json")
    assert done.returncode == 5
    error, summary = results(done.stdout)
    assert error["code"] == "host_not_found"
    assert [each["source"] for each in summary["failed"]] == [str(SPEECH)]
