"""Retries of the writes of one recording, one write at a time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from api.observe.metrics import Metrics
from storage.errors import StorageUnavailableError
from storage.retry import Backoff, retry

logger = logging.getLogger(__name__)

# Retries for about eight seconds; then the session is released.
WRITE_BACKOFF = Backoff(first_seconds=0.05, max_seconds=4.0, retries=8)

T = TypeVar("T")


class WriteRetries:
    """Runs writes that fail again.

    ``gave_up`` is called once, after the last retry has failed; then nothing more is written.
    ``lock`` is held while a write runs or waits for its retry.
    """

    __slots__ = (
        "_backoff",
        "_failure",
        "_gave_up",
        "_metrics",
        "_session_id",
        "lock",
    )

    def __init__(
        self,
        session_id: str,
        *,
        gave_up: Callable[[StorageUnavailableError], None],
        backoff: Backoff,
        metrics: Metrics,
    ) -> None:
        self._session_id = session_id
        self._gave_up = gave_up
        self._backoff = backoff
        self._metrics = metrics
        self._failure: StorageUnavailableError | None = None
        self.lock = asyncio.Lock()

    async def run(self, write: Callable[[], Awaitable[T]]) -> T:
        """Return what ``write`` returns; call it again while it fails.

        Raises `StorageUnavailableError` after the last retry.
        """
        async with self.lock:
            if self._failure is not None:
                raise self._failure
            try:
                return await retry(
                    write,
                    on=StorageUnavailableError,
                    delays=self._backoff.delays(),
                    failed=self._log_failure,
                )
            except StorageUnavailableError as failure:
                logger.error(  # noqa: TRY400
                    "%s: storage failed, no retries left, releasing the session: error=%s",
                    self._session_id,
                    failure,
                )
                self._failure = failure
                self._gave_up(failure)
                raise

    def _log_failure(self, error: Exception, delay_seconds: float) -> None:
        self._metrics.store_errors.labels("record").inc()
        logger.warning(
            "%s: storage failed, retrying: seconds=%.2f error=%s",
            self._session_id,
            delay_seconds,
            error,
        )
