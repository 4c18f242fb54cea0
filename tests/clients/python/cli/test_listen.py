"""``sercuescribe listen`` against a real service."""

import subprocess

from tests.audio import decode, pcm
from tests.clients.python.cli.command import run, server_environ, start_binary
from tests.service import Service


async def test_a_player_gets_the_audio_while_it_is_recorded_and_the_end(service: Service) -> None:
    async with service.session(sample_rate=16000) as client:
        await client.send(pcm(4000))
        listening = start_binary("listen", client.session_id, environ=server_environ(service))
        with listening as process:
            assert process.stdout is not None
            header = process.stdout.read(44)
            heard = process.stdout.read(8000)
            await client.send(pcm(4000, seed=1))
            await client.close_session()
            rest, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, b"")
    wav = header + heard + rest
    assert wav[44:] == pcm(4000) + pcm(4000, seed=1)
    assert decode(wav, sample_rate=16000) == wav[44:]


async def test_a_player_that_ends_first_is_no_error_text(service: Service) -> None:
    session_id = await service.record(pcm(400_000))
    with subprocess.Popen(["head", "-c", "100"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as (
        head
    ):
        done = run("listen", session_id, stdout=head.stdin, environ=server_environ(service))
    assert done.stderr == ""


def test_a_session_that_does_not_exist_is_exit_code_3(service: Service) -> None:
    missing = "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"
    done = run("listen", missing, environ=server_environ(service))
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == f"sercuescribe: Session not found (session {missing})\n"
