"""The state of this node, for the metrics and for operators."""

import shutil
from pathlib import Path

from api import __version__
from api.observe.exposition import exposition
from api.observe.metrics import Metrics
from api.session.registry import Registry
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
    ) -> None:
        """Create the monitor of the process that writes to ``folder``."""
        self._registry = registry
        self._storage = storage
        self._supervisor = supervisor
        self._metrics = metrics
        self._folder = folder
        metrics.build_info.labels(__version__, backend).set(1)

    async def exposition(self) -> bytes:
        """Return the metrics in the text format of Prometheus."""
        await self._set_gauges()
        return await threads.reading.run(exposition, self._metrics.registry)

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
