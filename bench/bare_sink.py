"""The baseline of the hot path: an ASGI application that promises nothing.

It accepts a WebSocket, appends each binary message to a file and answers in JSON.
"""

import os
import tempfile
from typing import Any

import msgspec
import uvicorn

encode = msgspec.json.Encoder().encode


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    chunk_count = 0
    with tempfile.TemporaryFile(dir=".") as file:
        fd = file.fileno()
        while True:
            event = await receive()
            if event["type"] == "websocket.disconnect":
                return
            os.write(fd, event["bytes"])
            chunk_count += 1
            ack = {
                "message": "Chunk processed successfully",
                "session_id": "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b",
                "chunk_count": chunk_count,
                "status": "active",
            }
            await send({"type": "websocket.send", "text": encode(ack).decode()})


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=0,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        lifespan="off",
    )
