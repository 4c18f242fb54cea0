"""The background task that makes what was appended durable, for all recordings of a folder."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence

from storage import threads
from storage.errors import SyncFailedError
from storage.observer import IGNORE, Observer
from storage.supervisor import Supervisor
from storage.volume.recording import VolumeRecording
from storage.volume.sync_pass import run_together

logger = logging.getLogger(__name__)

# A recording cannot be flushed or completed while its group is synced.
_GROUP_RECORDINGS = 64

_MIN_PAUSE = 0.1  # after a pass, as a share of the interval


def next_begin(last_begin: float, now: float, interval_seconds: float) -> float:
    """Return when the next pass begins, in seconds as the arguments."""
    return max(last_begin + interval_seconds, now + _MIN_PAUSE * interval_seconds)


class PeriodicSync:
    """Syncs the recordings that have changed, in passes.

    A pass begins ``interval_seconds`` after the beginning of the last one, so that the time of a
    pass adds nothing to the loss window. After a pass that took longer there is a short pause.
    """

    def __init__(
        self, interval_seconds: float, supervisor: Supervisor, observer: Observer = IGNORE
    ) -> None:
        self._observer = observer
        self._interval_seconds = interval_seconds
        self._supervisor = supervisor
        self._changed: set[VolumeRecording] = set()
        self._task: asyncio.Task[None] | None = None
        self.add = self._changed.add
        self.discard = self._changed.discard

    def start(self) -> None:
        self._task = self._supervisor.start("storage-sync", self._run)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def run_pass(self) -> None:
        """Persist all that was appended before the call, then measure new audio.

        A pass that fails forgets no recording: the next one persists them.
        """
        # One by one, because a thread may add a recording meanwhile.
        changed = [self._changed.pop() for _ in range(len(self._changed))]
        try:
            for start in range(0, len(changed), _GROUP_RECORDINGS):
                group = changed[start : start + _GROUP_RECORDINGS]
                for recording in await threads.recording.run(self._sync, group):
                    recording.report_failure()
            await threads.recording.run(self._measure, changed)
        except Exception:
            self._changed.update(changed)
            raise

    async def _run(self) -> None:
        begin = time.monotonic()
        while True:
            now = time.monotonic()
            begin = next_begin(begin, now, self._interval_seconds)
            await asyncio.sleep(begin - now)
            await self.run_pass()

    def _sync(self, group: Sequence[VolumeRecording]) -> list[VolumeRecording]:
        """Persist the recordings. Return those whose sync has failed, which ends them."""
        began = time.monotonic()
        steps = {recording: recording.sync_steps() for recording in group}
        lost = []
        for recording, error in run_together(steps, threads.syncing).items():
            if isinstance(error, SyncFailedError):
                lost.append(recording)
                continue
            # It stays behind, as persisted_chunk_count shows, and is tried again.
            self._changed.add(recording)
            session_id = recording.manifest.session_id
            logger.error("%s: could not be persisted", session_id, exc_info=error)
        self._observer.synced(time.monotonic() - began)
        return lost

    def _measure(self, changed: Sequence[VolumeRecording]) -> None:
        for recording in changed:
            recording.measure()
            if recording.has_unmeasured_audio:
                self._changed.add(recording)
