"""An observer that keeps what a storage reports."""

from collections import Counter

from storage.observer import Observer


class Reports(Observer):
    """Keeps every report."""

    def __init__(self) -> None:
        self.lags_seconds: list[float] = []
        self.syncs_seconds: list[float] = []
        self.requests_seconds: dict[str, list[float]] = {}
        self.failures: Counter[str] = Counter()
        self.warnings: list[str] = []

    def persisted(self, lag_seconds: float) -> None:
        self.lags_seconds.append(lag_seconds)

    def synced(self, seconds: float) -> None:
        self.syncs_seconds.append(seconds)

    def requested(self, operation: str, seconds: float) -> None:
        self.requests_seconds.setdefault(operation, []).append(seconds)

    def failed(self, operation: str) -> None:
        self.failures[operation] += 1

    def warned(self, code: str) -> None:
        self.warnings.append(code)
