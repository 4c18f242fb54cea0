"""The state of this node, for the metrics and for operators."""

import heapq
import shutil
import socket
from pathlib import Path

from api import __version__
from api.events.webhooks import Webhooks
from api.observe.exposition import exposition
from api.observe.metrics import Metrics
from api.session.registry import Registry
from api.wire.node_status import SHOWN_SESSIONS, BackgroundTask, NodeStatus, StoreOperation
from storage import threads
from storage.base import Storage
from storage.supervisor import Supervisor


class NodeMonitor:
    """Reads the state of this node when it is asked for; nothing is measured in between."""

    def __init__(
        self,
        registry: Registry,
        storage: Storage,
        supervisor: Supervisor,
        metrics: Metrics,
        *,
        folder: Path,
        backend: str,
        webhooks: Webhooks | None = None,
    ) -> None:
        """Create the monitor of the process that writes to ``folder``."""
        self._webhooks = webhooks
        self._registry = registry
        self._storage = storage
        self._supervisor = supervisor
        self._metrics = metrics
        self._folder = folder
        self._backend = backend
        metrics.build_info.labels(__version__, backend).set(1)
        if webhooks is not None:
            metrics.webhook_attempts.read = lambda: {
                # A copy: this runs in a thread, while the event loop counts.
                labels: float(count)
                for labels, count in dict(webhooks.attempts).items()
            }

    async def exposition(self) -> bytes:
        """Return the metrics in the text format of Prometheus."""
        await self._set_gauges()
        return await threads.reading.run(exposition, self._metrics.registry)

    async def status(self) -> NodeStatus:
        """Return the state of the node, with the live sessions whose audio waits longest."""
        unpersisted, free_bytes = self._registry.unpersisted(), await self._free_bytes()
        live = self._registry.live
        return NodeStatus(
            version=__version__,
            node=self._storage.node_id or socket.gethostname(),
            storage=self._backend,
            is_draining=self._metrics.is_draining,
            problems=self.problems(),
            active_sessions=len(live),
            max_sessions=self._registry.max_sessions,
            unpersisted_bytes=unpersisted.pcm_bytes,
            unpersisted_seconds=unpersisted.seconds,
            free_bytes=free_bytes,
            lease_age_seconds=self._storage.lease_age_seconds,
            tasks=[
                BackgroundTask(name=name, is_up=is_up, failures=self._supervisor.failures[name])
                for name, is_up in self._supervisor.states().items()
            ],
            store=[
                StoreOperation(
                    name=name,
                    requests=requests,
                    mean_seconds=seconds / requests if requests else 0.0,
                    errors=errors,
                )
                for name, (requests, seconds, errors) in self._metrics.store_operations().items()
            ],
            sessions=[
                session.info()
                for session in heapq.nlargest(
                    SHOWN_SESSIONS, live, key=lambda each: each.recording.unpersisted.seconds
                )
            ],
        )

    def problems(self) -> list[str]:
        """Return what an operator must look at, one text for each problem."""
        failing = [
            f"background task {name} failed, see the log" for name in self._supervisor.failing
        ]
        undelivered = [] if self._webhooks is None else self._webhooks.problems()
        return [*self._storage.problems(), *failing, *undelivered]

    async def _set_gauges(self) -> None:
        metrics, unpersisted = self._metrics, self._registry.unpersisted()
        metrics.sessions_live.set(len(self._registry.live))
        metrics.sessions_limit.set(self._registry.max_sessions)
        metrics.unpersisted_bytes.set(unpersisted.pcm_bytes)
        metrics.unpersisted_seconds.set(unpersisted.seconds)
        metrics.lease_age_seconds.set(self._storage.lease_age_seconds)
        for name, is_up in self._supervisor.states().items():
            metrics.background_task_up.labels(name).set(is_up)
        metrics.spool_free_bytes.set(await self._free_bytes())

    async def _free_bytes(self) -> int:
        """Return the free space of the disk; 0 if the folder cannot be used."""
        try:
            return (await threads.reading.run(shutil.disk_usage, self._folder)).free
        except OSError:
            return 0
