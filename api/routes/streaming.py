"""Answers that are sent block by block at the speed of the client, and the limit on them."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from litestar import Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from api.access.identity import Caller, network_of
from api.fair_slots import FairSlots
from api.observe.metrics import Metrics, Traffic
from api.routes.request import HttpRequest
from api.wire.errors import TooManyReadersError
from api.wire.routing import sent_method

# How long a reader above the limit waits for another one of the same caller to end.
_WAIT_SECONDS = 5.0


class Readers:
    """Limits the downloads, conversions, waveforms and listeners of one caller.

    Each holds a socket, an open file and some blocks for as long as its client reads.
    """

    def __init__(self, per_caller: int, metrics: Metrics) -> None:
        self.traffic = metrics.traffic
        self._limit = per_caller
        self._slots = FairSlots(per_caller=per_caller)

    @contextlib.asynccontextmanager
    async def slot(self, caller: Caller) -> AsyncIterator[None]:
        """Hold one of the slots of ``caller``. Raises :class:`TooManyReadersError`."""
        async with contextlib.AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(
                    self._slots.hold(key_of(caller), wait_seconds=_WAIT_SECONDS)
                )
            except TimeoutError:
                raise TooManyReadersError(self._limit) from None
            yield


def key_of(caller: Caller) -> str:
    """Return the key under which the limits of a caller are counted: user, else address."""
    user = caller.identity.user if caller.identity else None
    return f"user {user}" if user else network_of(caller.address)


class StreamedResponse(Response[None]):
    """Sends ``blocks`` while the client is connected; answers HEAD without them.

    The first block is read before the answer starts, so an error until then gets an error status.
    Litestar's `Stream` cancels its iterator in a scope in which every `await` is cancelled again,
    so the iterator could not clean up.
    """

    def __init__(
        self,
        request: HttpRequest,
        readers: Readers,
        blocks: AsyncGenerator[bytes, None],
        *,
        media_type: str,
        headers: dict[str, str],
        status_code: int | None = None,
    ) -> None:
        # Litestar leaves Content-Type out for HEAD.
        headers = headers | {"Content-Type": media_type}
        super().__init__(None, media_type=media_type, headers=headers, status_code=status_code)
        self._caller: Caller = request.user
        self._readers = readers
        self._blocks = blocks

    def to_asgi_response(self, *args: Any, **options: Any) -> ASGIResponse:
        request: HttpRequest = args[1] if len(args) > 1 else options["request"]
        return _Streamed(
            self._blocks,
            self._readers.traffic,
            self._readers.slot(self._caller),
            headers=self.headers,
            media_type=str(self.media_type),
            status_code=self.status_code or options.get("status_code"),
            is_head_response=sent_method(request.scope) == "HEAD",
        )


class _Streamed(ASGIResponse):
    _should_set_content_length = False

    def __init__(
        self,
        blocks: AsyncGenerator[bytes, None],
        traffic: Traffic,
        slot: contextlib.AbstractAsyncContextManager[None],
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._blocks = blocks
        self._traffic = traffic
        self._slot = slot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.is_head_response:
            await super().__call__(scope, receive, send)
            return
        # Tasks of its own, each of which is cancelled once and then cleans up.
        sending = asyncio.create_task(self._send(send))
        disconnecting = asyncio.create_task(_wait_disconnected(receive))
        try:
            await asyncio.wait([sending, disconnecting], return_when=asyncio.FIRST_COMPLETED)
        finally:
            sending.cancel()
            disconnecting.cancel()
            await asyncio.gather(sending, disconnecting, return_exceptions=True)
        if not sending.cancelled():
            sending.result()

    async def _send(self, send: Send) -> None:
        async with contextlib.aclosing(self._blocks) as blocks, self._slot:
            block = await anext(blocks, b"")
            await self.start_response(send)
            await self._send_block(send, block)
            async for block in blocks:
                await self._send_block(send, block)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_block(self, send: Send, block: bytes) -> None:
        self._traffic.sent_bytes += len(block)
        await send({"type": "http.response.body", "body": block, "more_body": True})


async def _wait_disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
