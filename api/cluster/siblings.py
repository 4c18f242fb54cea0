"""Requests to the other workers of this machine, for what only they know of themselves.

Requests go over the Unix socket of each worker. A handler that asks its siblings must answer for
itself alone if `api.workers.sockets.is_from_worker`: otherwise workers would ask each other in a
circle. A handler that is for workers alone refuses all other requests.
"""

import asyncio
import logging
from urllib.parse import quote
from uuid import UUID

import msgspec

from api.wire.messages import SessionInfo
from api.workers.membership import Membership

_decode_sessions = msgspec.json.Decoder(list[SessionInfo]).decode

logger = logging.getLogger(__name__)

COMPLETE_UNUSED = "/workers/complete-unused"
METRICS = "/workers/metrics"
STATUS = "/workers/status"
LIVE_SESSIONS = "/workers/sessions"

_SECONDS = 2.0  # a worker that hangs answers nothing until it is replaced


class Siblings:
    """The other workers; none if the service has one process."""

    def __init__(self, membership: Membership | None) -> None:
        self._membership = membership

    @property
    def own_number(self) -> int | None:
        """Return the number of this worker; None if the service has one process."""
        return None if self._membership is None else self._membership.worker.number

    async def ask(self, path: str) -> dict[int, bytes | None]:
        """Return the body that each other worker answers, by its number.

        ``path`` may have a query. None: the worker does not answer in time, or with an error.
        """
        numbers = self._numbers()
        answers = await asyncio.gather(*(self._send("GET", path, each) for each in numbers))
        return dict(zip(numbers, answers, strict=True))

    async def complete_unused(self, user_id: str) -> bool:
        """Complete a session that the user has created and not used, if another worker has one."""
        path = f"{COMPLETE_UNUSED}?user_id={quote(user_id, safe='')}"
        for number in self._numbers():
            if await self._send("POST", path, number) == b"true":
                return True
        return False

    async def live_sessions(self, oldest: UUID, newest: UUID) -> dict[str, SessionInfo]:
        """Return the sessions that are live in other workers, by id; see `OtherWorkers`."""
        answers = await self.ask(f"{LIVE_SESSIONS}?oldest={oldest}&newest={newest}")
        found = [
            msgspec.json.decode(each, type=list[SessionInfo]) for each in answers.values() if each
        ]
        return {info.session_id: info for infos in found for info in infos}

    def _numbers(self) -> list[int]:
        """Return the numbers of the other workers."""
        if self._membership is None:
            return []
        own = self._membership.worker.number
        return [each for each in self._membership.sockets.numbers() if each != own]

    async def _send(self, method: str, path: str, number: int) -> bytes | None:
        import aiohttp  # noqa: PLC0415 - a worker loads it at its start

        assert self._membership is not None
        connector = aiohttp.UnixConnector(str(self._membership.sockets.http(number)))
        try:
            async with (
                asyncio.timeout(_SECONDS),
                aiohttp.ClientSession(connector=connector) as client,
                client.request(method, f"http://localhost{path}") as answer,
            ):
                return await answer.read() if answer.ok else None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            logger.warning("Failed to ask a worker: path=%s error=%r", path, error)
            return None
