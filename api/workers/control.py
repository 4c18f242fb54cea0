"""The connection of a worker with its supervisor: a pair of Unix sockets, one message a line."""

import asyncio
import contextlib
import itertools
import logging
import socket
from collections.abc import Callable
from typing import TypeAlias, cast

import msgspec

from api.workers.limits import Maxima, Reached

logger = logging.getLogger(__name__)


class Beat(msgspec.Struct, tag="beat"):
    """The event loop of the worker runs."""


class Ready(msgspec.Struct, tag="ready"):
    """The worker accepts connections."""


class Claim(msgspec.Struct, tag="claim"):
    """See `api.workers.limits.Limits.claim`; `Answer` has the limit that was reached."""

    number: int
    session_id: str
    user_id: str | None
    maxima: Maxima


class Hold(msgspec.Struct, tag="hold"):
    session_id: str
    user_id: str | None


class Release(msgspec.Struct, tag="release"):
    session_id: str


class Allow(msgspec.Struct, tag="allow"):
    """See `api.workers.limits.Limits.allow`; `Answer` has the limit "rate" if it is refused."""

    number: int
    key: str
    per_minute: int


class Answer(msgspec.Struct, tag="answer"):
    """The answer to the request of this number: the limit that was reached, if any."""

    number: int
    reached: str | None


class Look(msgspec.Struct, tag="look"):
    """All workers have started, or one has ended or was replaced: look for abandoned sessions."""


FromWorker: TypeAlias = Beat | Ready | Claim | Hold | Release | Allow
ToWorker: TypeAlias = Answer | Look

encode = msgspec.json.Encoder().encode
_decode_to_worker = msgspec.json.Decoder(ToWorker).decode
decode_from_worker = msgspec.json.Decoder(FromWorker).decode


class Control:
    """The worker's end. It implements `api.workers.limits.Limits`."""

    def __init__(self, end: socket.socket) -> None:
        self.look = asyncio.Event()
        self._end = end
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[str | None]] = {}

    async def start(self, lost: Callable[[], None]) -> None:
        """Connect; call ``lost`` if the supervisor ends."""
        reader, self._writer = await asyncio.open_unix_connection(sock=self._end)
        self._reading = asyncio.create_task(self._read(reader, lost), name="control")

    async def stop(self) -> None:
        """Disconnect."""
        if self._reading is not None and self._writer is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    def beat(self) -> None:
        self._send(Beat())

    def ready(self) -> None:
        self._send(Ready())

    async def claim(self, session_id: str, user_id: str | None, maxima: Maxima) -> Reached | None:
        number = next(self._numbers)
        reached = await self._ask(number, Claim(number, session_id, user_id, maxima))
        return None if reached is None else cast("Reached", reached)

    def hold(self, session_id: str, user_id: str | None) -> None:
        self._send(Hold(session_id, user_id))

    def release(self, session_id: str) -> None:
        self._send(Release(session_id))

    async def allow(self, key: str, per_minute: int) -> bool:
        number = next(self._numbers)
        return await self._ask(number, Allow(number, key, per_minute)) is None

    async def _ask(self, number: int, request: FromWorker) -> str | None:
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        if self._reading is not None and self._reading.done():
            answer.cancel()  # the supervisor has ended, so nothing answers
        try:
            self._send(request)
            return await answer
        finally:
            del self._waiting[number]

    def _send(self, message: FromWorker) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(encode(message) + b"\n")

    async def _read(self, reader: asyncio.StreamReader, lost: Callable[[], None]) -> None:
        try:
            while line := await reader.readline():
                message = _decode_to_worker(line)
                if isinstance(message, Look):
                    self.look.set()
                elif (answer := self._waiting.get(message.number)) and not answer.done():
                    answer.set_result(message.reached)
        except OSError:
            pass
        logger.error("The supervisor has ended: this worker stops")
        for waiting in self._waiting.values():
            waiting.cancel()
        lost()
