"""All metrics of the service; docs/metrics.md lists them.

Their labels have few values, which are written in the code: no label is an id, a user or an
address. A counter that has a set of values counts every other one as ``other``.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.registry import Collector

from api.observe.unlocked_histogram import UnlockedHistogram

_PREFIX = "sercuescribe_"
_OTHER = "other"

# Upper bounds of buckets, in seconds.
_QUICK = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SLOW = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0)
_REQUEST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

_LAG_INTERVAL_SECONDS = 0.5
# Methods of HTTP; others are counted as "other".
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class EventCounter:
    """A counter whose label has one of ``values``; each of them has a sample from the start."""

    def __init__(self, counter: Counter, values: Iterable[str] = ()) -> None:
        self._children = {value: counter.labels(value) for value in (*values, _OTHER)}

    def add(self, value: str) -> None:
        self._children.get(value, self._children[_OTHER]).inc()


class Traffic:
    """The counts of the hot path, which the event loop increments."""

    def __init__(self) -> None:
        self.chunks = 0
        self.received_bytes = 0
        self.sent_bytes = 0


Counts = Mapping[tuple[str, ...], float]  # by the values of the labels


class ReadCounter(Collector):
    """A counter that is kept elsewhere: ``read`` returns its counts at each scrape."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        read: Callable[[], Counts],
        registry: CollectorRegistry,
    ) -> None:
        self.read = read
        self._name = name
        self._documentation = documentation
        self._labelnames = tuple(labels)
        registry.register(self)

    def collect(self) -> Iterable[CounterMetricFamily]:
        family = CounterMetricFamily(self._name, self._documentation, labels=self._labelnames)
        for values, count in dict(self.read()).items():
            family.add_metric(values, count)
        yield family


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(
        self,
        *,
        formats: Sequence[str] = (),
        close_codes: Iterable[int] = (),
        denials: Iterable[str] = (),
    ) -> None:
        """Create all metrics. The arguments are the values of labels that other modules define."""
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.is_draining = False
        self._create_gauges()
        self.traffic = Traffic()
        self._count_traffic()
        self.sessions_created = self._events(
            "sessions_created", "Sessions that were created", "format", formats
        )
        self.sessions_ended = self._events(
            "sessions_ended",
            "Sessions that have ended in this process",
            "reason",
            ("closed", "expired", "unused", "deleted", "released", "fenced", "failed"),
        )
        self.disconnects = self._events(
            "disconnects",
            "WebSocket connections that have ended, by close code; 1006: without a close frame",
            "code",
            map(str, close_codes),
        )
        self.warnings = self._counter(
            "warnings", "Audio that could not be recorded, by warning", "code"
        )
        self.store_errors = self._counter(
            "store_errors",
            "Requests to the store, and writes and syncs of the disk, that have failed",
            "operation",
        )
        self.takeovers = self._events(
            "takeovers",
            "Sessions that this process took over, by why: its start, a dead owner, a client",
            "reason",
            ("start", "dead_node", "dead_worker", "client"),
        )
        self.fenced = self._counter("fenced", "Sessions that another node took from this one")
        self.relayed = self._counter(
            "relayed", "WebSockets and HTTP requests for sessions of another node", "kind", "result"
        )
        self.denied = self._events("denied", "Requests that were denied", "reason", denials)
        self.deleted = self._events(
            "deleted", "Sessions that were deleted", "reason", ("client", "retention")
        )
        self.webhook_attempts = self._read(
            "webhook_attempts",
            "Attempts to deliver an event, by event and result",
            ("event", "result"),
            dict,
        )
        self._create_histograms()

    def _count_traffic(self) -> None:
        traffic = self.traffic
        self._read(
            "chunks", "Chunks that were acknowledged", (), lambda: {(): float(traffic.chunks)}
        )
        self._read(
            "audio_bytes",
            "Audio: in from recorders, out to listeners and in answers to HTTP requests",
            ("direction",),
            lambda: {("in",): float(traffic.received_bytes), ("out",): float(traffic.sent_bytes)},
        )

    def _create_gauges(self) -> None:
        gauge = self._gauge
        self.sessions_live = gauge("sessions_live", "Sessions that this process records")
        self.sessions_limit = gauge("sessions_limit", "MAX_CONCURRENT_SESSIONS")
        self.connections = gauge("connections", "Open WebSocket connections", "role")
        self.unpersisted_bytes = gauge("unpersisted_bytes", "Audio that is not persisted yet")
        self.unpersisted_seconds = gauge(
            "unpersisted_seconds", "Age of the oldest audio that is not persisted yet"
        )
        self.spool_free_bytes = gauge(
            "spool_free_bytes", "Free space of the disk with AUDIO_STORAGE_PATH"
        )
        self.lease_age_seconds = gauge(
            "lease_age_seconds", "Time since this node renewed its lease; 0 on a volume"
        )
        self.background_task_up = gauge(
            "background_task_up", "0 if the task has failed within two minutes", "task"
        )
        self._draining = gauge("draining", "1 after SIGTERM")
        self.build_info = gauge(
            "build_info", "1; the release and the backend", "version", "storage"
        )
        for role in ("recorder", "listener"):
            self.connections.labels(role)

    def _create_histograms(self) -> None:
        self.chunk_ack = self._unlocked_histogram(
            "chunk_ack_seconds", "Time from a chunk to its acknowledgement", _QUICK
        )
        self.persist_lag = self._unlocked_histogram(
            "persist_lag_seconds", "Age of the oldest audio when it was persisted", _SLOW
        )
        self.sync = self._unlocked_histogram(
            "sync_seconds", "Syncs of new audio to the disk", _QUICK
        )
        self.store_request = self._histogram(
            "store_request_seconds", "Requests to the bucket with their retries", _REQUEST,
            "operation",
        )  # fmt: skip
        self.event_loop_lag = self._histogram(
            "event_loop_lag_seconds", "How late a timer of the event loop fires", _QUICK
        )
        self.http_request = self._histogram(
            "http_request_seconds", "HTTP requests until the end of their answers", _REQUEST,
            "route", "method", "status_class",
        )  # fmt: skip

    def requested(self, route: str | None, method: str, status: int, seconds: float) -> None:
        """Count an HTTP request; ``route`` is the template of its path, None if there is none."""
        self.http_request.labels(
            route or _OTHER, method if method in _METHODS else _OTHER, f"{status // 100}xx"
        ).observe(seconds)

    def drain(self) -> None:
        """Note that the process is stopping."""
        self.is_draining = True
        self._draining.set(1)

    def store_operations(self) -> dict[str, tuple[int, float, int]]:
        """Return for each operation of the store its requests, their seconds, and the failures."""
        found: dict[str, list[float]] = {}
        for collector, place in ((self.store_request, 0), (self.store_errors, 2)):
            for family in collector.collect():
                for sample in family.samples:
                    counts = found.setdefault(sample.labels["operation"], [0, 0.0, 0])
                    if sample.name.endswith(("_count", "_total")):
                        counts[place] = sample.value
                    elif sample.name.endswith("_sum"):
                        counts[1] = sample.value
        return {
            name: (int(requests), seconds, int(errors))
            for name, (requests, seconds, errors) in sorted(found.items())
        }

    async def measure_event_loop(self, interval_seconds: float = _LAG_INTERVAL_SECONDS) -> None:
        """Measure how late a timer fires, again and again, until cancelled."""
        while True:
            due = time.monotonic() + interval_seconds
            await asyncio.sleep(interval_seconds)
            self.event_loop_lag.observe(max(0.0, time.monotonic() - due))

    def _gauge(self, name: str, documentation: str, *labels: str) -> Gauge:
        return Gauge(_PREFIX + name, documentation, labels, registry=self.registry)

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(_PREFIX + name, documentation, labels, registry=self.registry)

    def _read(
        self, name: str, documentation: str, labels: Sequence[str], read: Callable[[], Counts]
    ) -> ReadCounter:
        return ReadCounter(_PREFIX + name, documentation, labels, read, self.registry)

    def _events(
        self, name: str, documentation: str, label: str, values: Iterable[str]
    ) -> EventCounter:
        return EventCounter(self._counter(name, documentation, label), values)

    def _unlocked_histogram(
        self, name: str, documentation: str, bounds: Sequence[float]
    ) -> UnlockedHistogram:
        return UnlockedHistogram(_PREFIX + name, documentation, bounds, self.registry)

    def _histogram(
        self, name: str, documentation: str, bounds: Sequence[float], *labels: str
    ) -> Histogram:
        return Histogram(
            _PREFIX + name, documentation, labels, registry=self.registry, buckets=bounds
        )
