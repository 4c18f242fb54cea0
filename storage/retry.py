"""Try again after a failure: exponential backoff with a cap and jitter.

Jitter keeps writers that failed at the same moment from coming back at the same moment
(`Exponential Backoff And Jitter
<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>`_).
"""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TypeVar

import msgspec

T = TypeVar("T")
Errors = type[Exception] | tuple[type[Exception], ...]


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait before each retry.

    Before jitter, the first delay is ``first_seconds`` and each further one ``factor`` times the
    one before, up to ``max_seconds``. Jitter shortens every delay to a random part of it, at
    least ``1 - jitter``. ``retries`` is the number of delays; None for no end.
    """

    first_seconds: float
    max_seconds: float
    factor: float = 2.0
    jitter: float = 0.5
    retries: int | None = None

    def delays(self, uniform: Callable[[float, float], float] = random.uniform) -> Iterator[float]:
        """Yield the delays in seconds. ``uniform`` returns a random number between two."""
        seconds = min(self.first_seconds, self.max_seconds)
        for _ in itertools.count() if self.retries is None else range(self.retries):
            yield seconds * uniform(1 - self.jitter, 1)
            seconds = min(seconds * self.factor, self.max_seconds)


async def retry(
    action: Callable[[], Awaitable[T]],
    *,
    on: Errors,
    delays: Iterable[float],
    unless: Errors = (),
    failed: Callable[[Exception, float], None] = lambda error, delay_seconds: None,  # noqa: ARG005
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """Return what ``action`` returns, called again after each of ``delays`` while it fails.

    Only errors of ``on``, and not of ``unless``, are retried. ``failed`` gets each of them and
    the seconds until the next call. After the last delay the error of the last call is raised.
    """
    for delay_seconds in delays:
        try:
            return await action()
        except unless:
            raise
        except on as error:
            failed(error, delay_seconds)
        await sleep(delay_seconds)
    return await action()
