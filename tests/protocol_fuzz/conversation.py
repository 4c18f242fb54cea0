"""One session, and a check of every message that the service sends to it."""

import re
import socket
import struct
from collections import Counter, deque
from pathlib import Path
from typing import cast

import msgspec
from websockets.frames import Close, Frame, Opcode
from websockets.streams import StreamReader

from api.wire.messages import ChunkMessage, ControlMessage, ErrorMessage, SessionMessage
from tests.bad_clients import HANDSHAKE
from tests.protocol_fuzz.steps import Step, frame
from tests.service import Service

_DOCUMENT = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
_CLOSE_CODES = _DOCUMENT.split("\n## Close codes\n")[1].split("\n## ")[0]
DOCUMENTED_CLOSE_CODES = {
    int(code) for code in re.findall(r"^\| (\d{4}) \|", _CLOSE_CODES, re.MULTILINE)
}
_TIMEOUT_SECONDS = 15
_RST = struct.pack("ii", 1, 0)

Message = SessionMessage | ChunkMessage | ControlMessage | ErrorMessage
_decode = msgspec.json.Decoder(Message).decode


class RawWebSocket:
    """A socket that has sent a WebSocket handshake and reads frames."""

    def __init__(self, port: int, path: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = StreamReader()
        self.socket.sendall(HANDSHAKE.replace(b"/api/ws/audio", path.encode(), 1))
        while b"\r\n\r\n" not in bytes(self._reader.buffer):
            self._read()
        end = bytes(self._reader.buffer).index(b"\r\n\r\n") + 4
        self.response = bytes(self._reader.buffer[:end])
        del self._reader.buffer[:end]

    def send(self, data: bytes) -> None:
        """Send; ignore a reset, which the service may send after its close frame."""
        try:
            self.socket.sendall(data)
        except ConnectionError:
            return

    def receive(self) -> Frame | None:
        """Return the next frame; None at the end of the connection or after a reset."""
        parser = Frame.parse(self._reader.read_exact, mask=False)
        try:
            while True:
                next(parser)
                self._read()
        except StopIteration as done:
            return cast("Frame", done.value)
        except (EOFError, ConnectionError):
            return None

    def close(self) -> None:
        self.socket.close()

    def abort(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
        self.socket.close()

    def _read(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        self._reader.feed_data(data)


class Conversation:
    """Runs steps, and checks after each step that the service follows the protocol."""

    def __init__(self, service: Service, query: str) -> None:
        self._service = service
        self._sent = self._acknowledged = 0
        self._is_exact = True  # every sent chunk was certainly received
        self._is_completed = self._may_be_completed = False
        self._pending_answers: deque[str] = deque()
        self._pings = Counter[bytes]()
        self.session_id = ""
        self._websocket: RawWebSocket | None = None
        self._connect(f"/api/ws/audio?{query}")

    def close(self) -> None:
        if self._websocket is not None:
            self._websocket.close()

    def run_step(self, step: Step) -> None:
        if self._is_completed:
            return
        if self._websocket is None:
            resume = "true" if step.resume else "false"
            self._connect(f"/api/ws/audio/{self.session_id}?resume={resume}")
        if self._websocket is None:
            return
        self._may_be_completed |= step.name == "close_session"
        self._sent += step.is_chunk
        self._websocket.send(step.data)
        self._pending_answers.extend(["chunk"] * step.is_chunk + ["text"] * step.is_text)
        self._pings.update(step.pings)
        if step.disconnect is not None:
            self._disconnect(self._websocket, step)
        elif step.close_codes:
            self._read_to_the_end(self._websocket, step.close_codes)
        elif step.waits_for_answers:
            self._read_pending(self._websocket)

    def finish(self) -> None:
        """Check that every message is answered and the session has all acknowledged chunks."""
        path = f"/api/audio/sessions/{self.session_id}"
        if self._websocket is not None:
            self._read_pending(self._websocket)
        info = self._service.post(f"{path}/close").json()["session"]
        assert self._acknowledged <= info["total_chunks"] <= self._sent
        if self._is_exact:
            assert info["total_chunks"] == self._sent
        assert info["persisted_chunk_count"] == info["total_chunks"]
        assert self._service.wav(self.session_id).stat().st_size == info["size_bytes"]
        if self._websocket is not None:
            self._read_to_the_end(self._websocket, (1000,))
            assert self._is_completed
        assert self._service.delete(path).status_code == 200

    def _connect(self, path: str) -> None:
        self._websocket = RawWebSocket(self._service.port, path)
        greeting = self._message(self._websocket.receive())
        if self._may_be_completed and isinstance(greeting, ErrorMessage):
            assert greeting.code == "session_completed"  # the final message was lost
            self._is_completed = True
            self._read_to_the_end(self._websocket, (1008,))
            return
        assert isinstance(greeting, SessionMessage), greeting
        assert self._acknowledged <= greeting.chunk_count <= self._sent
        if self._is_exact:
            assert greeting.chunk_count == self._sent
        self._acknowledged = greeting.chunk_count
        self.session_id = greeting.session_id or ""

    def _read_pending(self, websocket: RawWebSocket) -> None:
        while self._pending_answers or self._pings.total():
            received = websocket.receive()
            pending = f"{self._pending_answers} and {self._pings}"
            assert received is not None, f"connection dropped with {pending} unanswered"
            assert received.opcode is not Opcode.CLOSE, received
            self._answer(received)

    def _read_to_the_end(self, websocket: RawWebSocket, close_codes: tuple[int, ...]) -> None:
        while (received := websocket.receive()) is not None and received.opcode is not Opcode.CLOSE:
            self._answer(received)
        if received is not None:
            code = Close.parse(received.data).code
            assert code in close_codes, f"{code} instead of {close_codes}"
            websocket.send(frame(Opcode.CLOSE, bytes(received.data[:2])))
            while websocket.receive() is not None:  # a close frame is the last frame
                raise AssertionError("a frame after the close frame")
        # A reset while the service was still sending can lose its last messages.
        self._forget_websocket(websocket)

    def _disconnect(self, websocket: RawWebSocket, step: Step) -> None:
        if step.disconnect == "abort":
            websocket.abort()
        else:
            websocket.socket.shutdown(socket.SHUT_WR)
            while (received := websocket.receive()) is not None:
                if received.opcode is not Opcode.CLOSE:
                    self._answer(received)
        self._forget_websocket(websocket)

    def _forget_websocket(self, websocket: RawWebSocket) -> None:
        websocket.close()
        self._is_exact = self._is_exact and "chunk" not in self._pending_answers
        self._pending_answers.clear()
        self._pings.clear()
        self._websocket = None

    def _answer(self, received: Frame) -> None:
        if received.opcode is Opcode.PONG:
            assert self._pings[bytes(received.data)] > 0, received
            self._pings[bytes(received.data)] -= 1
            return
        message = self._message(received)
        code = message.code if isinstance(message, ErrorMessage) else None
        if message.status == "completed":
            self._is_completed = True
        elif code != "chunk_too_large":
            asked = self._pending_answers.popleft()
            if asked == "text":
                assert isinstance(message, ControlMessage) or code == "invalid_message", message
                assert message.chunk_count >= self._acknowledged
            else:
                assert isinstance(message, ChunkMessage) or code == "decode_failed", message
                assert message.chunk_count > self._acknowledged
            self._acknowledged = message.chunk_count
        assert message.persisted_chunk_count <= message.chunk_count <= self._sent

    def _message(self, received: Frame | None) -> Message:
        assert received is not None, "connection dropped without a message"
        assert received.opcode is Opcode.TEXT, received
        assert received.fin
        message: Message = _decode(received.data)
        return message
