"""The sandbox of a decoder, as the kernel reports it."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from api.audio.ffmpeg.command import binary, sandbox
from api.audio.ffmpeg.launcher import DecoderLauncher
from api.audio.ffmpeg.sandbox import available
from storage.pcm import Buffer, PcmFormat
from tests.audio import pcm

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes the user")
networked = pytest.mark.skipif(
    "network namespace" in sandbox().missing, reason="not allowed on this machine"
)


@pytest.fixture
async def decoder(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[psutil.Process]:
    """A decoder that has decoded audio, while the environment of the service holds a secret."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    decoding = asyncio.Event()

    async def emit(_: Buffer) -> None:
        decoding.set()

    decoder = await DecoderLauncher().start("s16le", PcmFormat(44100, 1), emit)
    await decoder.feed(pcm(16000))
    async with asyncio.timeout(60):
        await decoding.wait()
    yield psutil.Process(decoder.pid)
    await decoder.kill()


def kernel(process: psutil.Process, name: str) -> bytes:
    return (Path("/proc") / str(process.pid) / name).read_bytes()


def status(process: psutil.Process) -> dict[str, list[str]]:
    """Return ``/proc/<pid>/status``, see proc_pid_status(5)."""
    lines = kernel(process, "status").decode().splitlines()
    return {name: words.split() for name, _, words in (line.partition(":") for line in lines)}


async def test_the_resources_of_a_decoder_are_limited(decoder: psutil.Process) -> None:
    lines = kernel(decoder, "limits").decode().splitlines()
    limits = {line[:26].strip(): line[26:].split()[:2] for line in lines}
    assert limits["Max data size"] == ["268435456"] * 2
    assert limits["Max file size"] == limits["Max core file size"] == ["0"] * 2
    assert limits["Max open files"] == ["16"] * 2
    assert decoder.nice() == min(19, psutil.Process().nice() + 10)


async def test_a_decoder_has_an_empty_environment(decoder: psutil.Process) -> None:
    assert kernel(decoder, "environ") == b""


async def test_a_decoder_has_a_process_group_of_its_own(decoder: psutil.Process) -> None:
    assert os.getpgid(decoder.pid) == decoder.pid


@as_root
async def test_a_decoder_of_a_root_service_runs_as_an_unprivileged_user(
    decoder: psutil.Process,
) -> None:
    facts = status(decoder)
    assert facts["Uid"] == facts["Gid"] == ["65534"] * 4
    assert facts["Groups"] == []
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(facts[kind][0], 16) == 0


async def test_a_decoder_cannot_gain_privileges(decoder: psutil.Process) -> None:
    facts = status(decoder)
    assert facts["NoNewPrivs"] == ["1"]
    assert int(facts["CapEff"][0], 16) == 0


@networked
async def test_a_decoder_has_no_network(
    decoder: psutil.Process,
) -> None:
    assert [line.split()[0] for line in kernel(decoder, "net/dev").splitlines()[2:]] == [b"lo:"]
    assert kernel(decoder, "net/fib_trie") == b""  # no address, no route


def test_restrictions_that_the_machine_refuses_are_listed_as_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = binary()
    for name in ("nice", "setpriv"):
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    refused = tmp_path / "prlimit"
    refused.write_text("#!/bin/sh\nexit 1\n")
    refused.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    left = available(program)
    assert left.missing == ("resource limits", "network namespace")
    assert left.command[0] == str(tmp_path / "nice")
    assert "--pdeathsig" in left.command


def test_a_decoder_can_run_without_any_restriction(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = binary()
    monkeypatch.setenv("PATH", str(tmp_path))
    left = available(program)
    assert left.command == ()
    assert "resource limits" in left.missing
    assert "kill on exit of the service" in left.missing
