"""Properties of every conversation and of every handshake."""

import contextlib
import json
import socket
from collections.abc import Sequence

from hypothesis import strategies as st
from websockets.frames import Opcode

from api.audio.formats import CHANNELS, INPUT_KINDS, SAMPLE_RATES
from tests.audio import pcm
from tests.protocol_fuzz.conversation import Conversation, RawWebSocket
from tests.protocol_fuzz.steps import Step, frame, steps
from tests.service import Service

SERVICE_SETTINGS = {
    "max_chunk_size_mb": 0.1,
    "max_message_size_bytes": 300_000,
    "max_concurrent_sessions": 10_000,
}

_queries = st.builds(
    "sample_rate={}&channels={}&format={}".format,
    st.sampled_from(SAMPLE_RATES),
    st.sampled_from(CHANNELS),
    st.sampled_from(INPUT_KINDS),
)
CONVERSATIONS = st.tuples(_queries, st.lists(steps, min_size=1, max_size=12))

_targets = st.one_of(
    st.sampled_from(["/api/ws/audio", "/api/ws/audio/", "/api/ws/audio/x", "/elsewhere", "*", ""]),
    st.text(max_size=20).map("/api/ws/audio?user_id={}".format),
    st.text(max_size=20).map("/api/ws/audio/{}".format),
    st.integers(1, 20_000).map(lambda size: "/api/ws/audio?user_id=" + "x" * size),
    st.sampled_from(["%00", "%ff", "%", "&&==", "a=1;b", "sample_rate=1&sample_rate=2"]).map(
        "/api/ws/audio?user_id={}".format
    ),
)
_headers = st.lists(
    st.one_of(
        st.sampled_from(
            [
                b"Upgrade: h2c", b"Connection: close", b"Sec-WebSocket-Key: short",
                b"Sec-WebSocket-Version: 12", b"Sec-WebSocket-Version: 13",
                b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99",
                b"Sec-WebSocket-Protocol: a, b", b"Content-Length: 3", b"Host: ", b"Origin: null",
                b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"X: " + b"x" * 20_000,
                b"\r\n".join(b"X-%d: y" % number for number in range(200)),
            ]
        ),
        st.binary(max_size=20).map(lambda value: b"X-Any: " + value.replace(b"\n", b"")),
        st.binary(max_size=10),
    ),
    max_size=3,
)  # fmt: skip
_HANDSHAKE = (
    b"Host: 127.0.0.1", b"Upgrade: websocket", b"Connection: Upgrade",
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", b"Sec-WebSocket-Version: 13",
)  # fmt: skip
HANDSHAKES = st.builds(
    lambda method, target, headers, dropped: b"\r\n".join(
        [
            method + b" " + target.encode("utf-8", "replace") + b" HTTP/1.1",
            *(header for number, header in enumerate(_HANDSHAKE) if number != dropped),
            *headers,
            b"\r\n",
        ]
    ),
    st.sampled_from([b"GET", b"GET", b"GET", b"POST", b"HEAD", b"OPTIONS", b"get"]),
    _targets,
    _headers,
    st.integers(0, 20),
)


def check_conversation(service: Service, query: str, steps: Sequence[Step]) -> None:
    """Check that one conversation gets every answer and does not affect other sessions."""
    log_length = len(service.log)
    with contextlib.closing(Conversation(service, query)) as conversation:
        for step in steps:
            conversation.run_step(step)
        conversation.finish()
    check_recording(service, log_length)


def check_handshake(service: Service, request: bytes) -> None:
    """Check that a handshake is answered with HTTP, or the connection closed."""
    log_length = len(service.log)
    with socket.create_connection(("127.0.0.1", service.port), timeout=15) as client:
        client.sendall(request)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while b"\r\n\r\n" not in answer and (data := client.recv(65536)):
                answer += data
    assert not answer or answer.startswith(b"HTTP/1.1 "), answer
    assert not answer.startswith(b"HTTP/1.1 5"), answer
    check_recording(service, log_length)


def check_recording(service: Service, log_length: int) -> None:
    """Check that a session is exact and that the log has no error after ``log_length`` lines."""
    with contextlib.closing(RawWebSocket(service.port, "/api/ws/audio")) as websocket:
        greeting = websocket.receive()
        assert greeting is not None
        session_id = json.loads(bytes(greeting.data))["session_id"]
        for seed in range(3):
            websocket.send(frame(Opcode.BINARY, pcm(500, seed=seed)))
        for _ in range(3):
            assert websocket.receive() is not None
        assert service.post(f"/api/audio/sessions/{session_id}/close").status_code == 200
    assert service.pcm(session_id) == b"".join(pcm(500, seed=seed) for seed in range(3))
    service.delete(f"/api/audio/sessions/{session_id}")
    assert service.is_running
    new_lines = "".join(service.log[log_length:])
    assert "Traceback" not in new_lines, new_lines
    assert " ERROR " not in new_lines, new_lines
