"""The background task that makes what was appended durable, for all recordings of a folder."""

import asyncio
import contextlib
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from storage import threads
from storage.errors import SyncFailedError
from storage.observer import IGNORE, Observer
from storage.supervisor import Supervisor
from storage.volume.recording import VolumeRecording
from storage.volume.sync_pass import run_together

logger = logging.getLogger(__name__)

# A recording cannot be flushed or completed while its group is synced.
_GROUP_RECORDINGS = 64

# The groups of a pass are spread over this share of the interval; the last one needs time, too.
_SPREAD = 0.9

_MIN_PAUSE = 0.1  # after a pass, as a share of the interval


def next_begin(last_begin: float, now: float, interval_seconds: float) -> float:
    """Return when the next pass begins, in seconds as the arguments."""
    return max(last_begin + interval_seconds, now + _MIN_PAUSE * interval_seconds)


class PeriodicSync:
    """Syncs the recordings that have changed, in passes, a group of them at a time.

    A pass begins ``interval_seconds`` after the beginning of the last one, so that the time of a
    pass adds nothing to the loss window. After a pass that took longer there is a short pause.
    """

    def __init__(
        self, interval_seconds: float, supervisor: Supervisor, observer: Observer = IGNORE
    ) -> None:
        self._observer = observer
        self._interval_seconds = interval_seconds
        self._supervisor = supervisor
        # In the order of their first change; its methods in C may be called in any thread.
        self._changed: OrderedDict[VolumeRecording, None] = OrderedDict()
        self._task: asyncio.Task[None] | None = None
        self.add: Callable[[VolumeRecording], None] = self._changed.setdefault

    def start(self) -> None:
        self._task = self._supervisor.start("storage-sync", self._run)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def run_pass(self, seconds: float = 0.0) -> None:
        """Persist all that was appended before the call, then measure new audio.

        The groups begin at equal distances within ``seconds``, because the syncs of many take the
        processor from the event loop. They come in the order in which they have changed, so that
        each has about the same time from pass to pass.

        A pass that fails forgets no recording: the next one persists them.
        """
        began, count = time.monotonic(), len(self._changed)
        groups = math.ceil(count / _GROUP_RECORDINGS)
        for number in range(groups):
            await asyncio.sleep(began + seconds * number / groups - time.monotonic())
            size = count * (number + 1) // groups - count * number // groups
            await self._persist(self._take_changed(size))

    def discard(self, recording: VolumeRecording) -> None:
        self._changed.pop(recording, None)

    def _take_changed(self, most: int) -> list[VolumeRecording]:
        # One by one, because a thread may add a recording meanwhile.
        return [self._changed.popitem(last=False)[0] for _ in range(min(most, len(self._changed)))]

    async def _persist(self, group: Sequence[VolumeRecording]) -> None:
        try:
            for recording in await threads.recording.run(self._sync, group):
                recording.report_failure()
            await threads.recording.run(self._measure, group)
        except Exception:
            for recording in group:
                self.add(recording)
            raise

    async def _run(self) -> None:
        begin = time.monotonic()
        while True:
            now = time.monotonic()
            begin = next_begin(begin, now, self._interval_seconds)
            await asyncio.sleep(begin - now)
            await self.run_pass(_SPREAD * self._interval_seconds)

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
            self.add(recording)
            session_id = recording.manifest.session_id
            logger.error("%s: could not be persisted", session_id, exc_info=error)
        self._observer.synced(time.monotonic() - began)
        return lost

    def _measure(self, changed: Sequence[VolumeRecording]) -> None:
        for recording in changed:
            recording.measure()
            if recording.has_unmeasured_audio:
                self.add(recording)
