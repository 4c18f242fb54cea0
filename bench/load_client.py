"""A minimal WebSocket client that sends prepared frames and does not decode the answers.

It uses little CPU, which leaves the machine to the measured server.
"""

import asyncio
import base64
import os
import struct


def binary_frame(payload: bytes) -> bytes:
    """Return a masked frame (RFC 6455, section 5.2) with a mask of zeros: the plain payload."""
    length = len(payload)
    if length < 126:
        head = struct.pack("!BB", 0x82, 0x80 | length)
    elif length < 65536:
        head = struct.pack("!BBH", 0x82, 0x80 | 126, length)
    else:
        head = struct.pack("!BBQ", 0x82, 0x80 | 127, length)
    return head + bytes(4) + payload


def text_frame(text: str) -> bytes:
    frame = binary_frame(text.encode())
    return b"\x81" + frame[1:]


def handshake(path: str) -> bytes:
    """Return the request that opens a WebSocket at ``path``."""
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


class LoadClient:
    """One WebSocket connection that creates load."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, port: int, path: str) -> "LoadClient":
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(handshake(path))
        await reader.readuntil(b"\r\n\r\n")
        return cls(reader, writer)

    async def exchange(self, frame: bytes) -> bytes:
        """Send one frame and return the next message."""
        self.send(frame)
        return await self.receive()

    def send(self, frame: bytes) -> None:
        self._writer.write(frame)

    async def receive(self) -> bytes:
        while True:
            head = await self._reader.readexactly(2)
            length = head[1]
            if length == 126:
                (length,) = struct.unpack("!H", await self._reader.readexactly(2))
            payload = await self._reader.readexactly(length)
            if head[0] == 0x81:
                return payload
            if head[0] == 0x89:  # a ping: the service drops a client that does not answer
                self._writer.write(b"\x8a" + binary_frame(payload)[1:])

    def close(self) -> None:
        self._writer.close()
