"""Keeps the index of a folder complete, in the background."""

import asyncio
import contextlib
import logging
import time
from uuid import UUID

from storage import threads
from storage.errors import StorageUnavailableError
from storage.local.active_states import ActiveStates
from storage.local.clean_stop import CleanStop
from storage.local.comparison import Changes, compare
from storage.local.folder import RecordingsFolder
from storage.local.index import IndexUpdate, SessionIndex
from storage.local.index_file import IndexFile
from storage.retry import Backoff
from storage.skipped import SkippedObjects
from storage.supervisor import Supervisor
from storage.volume.paths import session_of_state

logger = logging.getLogger(__name__)

_BACKOFF = Backoff(first_seconds=0.5, max_seconds=60.0)
_MIN_PAUSE_SECONDS = 0.001
_CHECK_SECONDS = 10.0


class IndexUpkeep:
    """Compares the index with the folder after a crash, and whenever the index was replaced."""

    def __init__(
        self,
        folder: RecordingsFolder,
        active: ActiveStates,
        supervisor: Supervisor,
        skipped: SkippedObjects,
        *,
        is_shared: bool = False,
    ) -> None:
        """``is_shared``: other processes may find that the index needs upkeep."""
        self._check_seconds = _CHECK_SECONDS if is_shared else None
        self.file = IndexFile(folder.index, self._wake)
        self.completed = asyncio.Event()  # the index is complete
        self._folder = folder
        self._active = active
        self._supervisor = supervisor
        self._skipped = skipped
        self._index = SessionIndex(self.file)
        self._clean_stop = CleanStop(folder.path, self.file)
        self._started_at_ns = 0
        self._adopted: list[UUID] = []
        self._wanted = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Trust the index if the folder is as it was at a clean stop. Block.

        The names in the folder must not have been changed yet. Never raises.
        """
        if not self._clean_stop.is_unchanged():
            self._index.distrust()
        with contextlib.suppress(OSError):
            self.file.make_folder()

    def start(self, started_at_ns: int) -> None:
        """Start the task; ``started_at_ns`` is now, by the clock of the file system."""
        self._started_at_ns = started_at_ns
        self._loop = asyncio.get_running_loop()
        self._task = self._supervisor.start("storage-index", self._run)

    async def stop(self) -> None:
        """Stop comparing, and note that the index fits the folder. No name may change later."""
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = self._loop = None
        # The pool has one thread: what it ran for the task has ended before this.
        if await threads.upkeep.run(self._index.is_complete):
            await threads.upkeep.run(self._clean_stop.save)

    def adopted(self) -> list[UUID]:
        """Return, once, the active sessions that 0.2.0 has left and the comparison has found."""
        found, self._adopted = self._adopted, []
        return found

    def _wake(self) -> None:
        """Look at the index soon. Called in any thread."""
        loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(self._wanted.set)

    async def _run(self) -> None:
        delays = _BACKOFF.delays()
        while True:
            self._wanted.clear()
            try:
                if not await threads.upkeep.run(self._index.is_complete):
                    self.completed.clear()
                    await self._compare()
            except StorageUnavailableError as error:
                logger.warning("Failed to complete the index, retrying: error=%s", error)
                await asyncio.sleep(next(delays))
                continue
            delays = _BACKOFF.delays()
            self.completed.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._check_seconds):
                    await self._wanted.wait()

    async def _compare(self) -> None:
        started_at = time.monotonic()
        update = await threads.upkeep.run(IndexUpdate, self.file)
        slices = compare(self._folder, update, other_name=self._handle_other_name)
        total = Changes()
        slice_at = started_at
        while (changes := await threads.upkeep.run(next, slices, None)) is not None:
            total += changes
            # A pause as long as the slice leaves the interpreter to other threads.
            await asyncio.sleep(max(time.monotonic() - slice_at, _MIN_PAUSE_SECONDS))
            slice_at = time.monotonic()
        if not await threads.upkeep.run(update.finish):
            self._wanted.set()
        logger.info(
            "Index compared with the folder: added=%d removed=%d corrected=%d seconds=%.1f",
            total.added,
            total.removed,
            total.corrected,
            time.monotonic() - started_at,
        )

    def _handle_other_name(self, name: str) -> None:
        """Remove what an interrupted write has left; take over what 0.2.0 has left."""
        path = self._folder.path / name
        try:
            if name.startswith(".") and name.endswith(".tmp"):
                if path.lstat().st_mtime_ns < self._started_at_ns:
                    path.unlink(missing_ok=True)
                return
            session_id = session_of_state(name)
            if session_id is not None and self._active.adopt(session_id):
                self._adopted.append(session_id)
        except FileNotFoundError:
            return  # a file that was there for a moment
        except (OSError, StorageUnavailableError) as error:
            self._skipped.report(str(path), error)
