"""What the storage reports, as metrics and spans."""

import contextlib

from api.observe.metrics import Metrics
from api.observe.tracing import Tracing
from storage.observer import Observer


class StorageObserver(Observer):
    """Counts the reports of the storage. Any thread may call a method."""

    def __init__(self, metrics: Metrics, tracing: Tracing) -> None:
        self._metrics = metrics
        self._tracing = tracing

    def persisted(self, lag_seconds: float) -> None:
        self._metrics.persist_lag.observe(lag_seconds)

    def synced(self, seconds: float) -> None:
        self._metrics.sync.observe(seconds)

    def requested(self, operation: str, seconds: float) -> None:
        self._metrics.store_request.labels(operation).observe(seconds)

    def failed(self, operation: str) -> None:
        self._metrics.store_errors.labels(operation).inc()

    def warned(self, code: str) -> None:
        self._metrics.warnings.labels(code).inc()

    def span(self, name: str, session_id: str) -> contextlib.AbstractContextManager[None]:
        # The task that puts segments was created in a request that has ended long ago.
        return self._tracing.span(name, session_id, is_root=True)
