"""Requests to the other workers of this machine, for what only they know of themselves.

``GET`` the path over the Unix socket of each worker. A handler that asks its siblings must answer
for itself alone if `is_from_worker`: otherwise workers would ask each other in a circle.
"""

import asyncio
import logging
from collections.abc import Mapping

from api.cluster.hop import HOP_HEADER, TO_WORKER
from api.workers.membership import Membership

logger = logging.getLogger(__name__)

_SECONDS = 2.0  # a worker that hangs answers nothing until it is replaced


def is_from_worker(headers: Mapping[str, str]) -> bool:
    """Return whether another worker of this machine has sent the request, or may have."""
    return headers.get(HOP_HEADER) == TO_WORKER


class Siblings:
    """The other workers; none if the service has one process."""

    def __init__(self, membership: Membership | None) -> None:
        self._membership = membership

    async def ask(self, path: str) -> dict[int, bytes | None]:
        """Return the body that each other worker answers, by its number.

        ``path`` may have a query. None: the worker does not answer in time, or with an error.
        """
        if self._membership is None:
            return {}
        sockets, own = self._membership.sockets, self._membership.worker.number
        numbers = [each for each in sockets.numbers() if each != own]
        answers = await asyncio.gather(*(self._ask(str(sockets.http(n)), path) for n in numbers))
        return dict(zip(numbers, answers, strict=True))

    async def _ask(self, socket_path: str, path: str) -> bytes | None:
        import aiohttp  # noqa: PLC0415 - a worker loads it at its start

        try:
            async with (
                asyncio.timeout(_SECONDS),
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(socket_path)) as client,
                client.get(f"http://localhost{path}", headers={HOP_HEADER: TO_WORKER}) as answer,
            ):
                return await answer.read() if answer.ok else None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            logger.warning("Failed to ask a worker: path=%s error=%r", path, error)
            return None
