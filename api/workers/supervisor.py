"""The supervisor: starts workers, replaces those that died or hang, and stops them."""

import asyncio
import contextlib
import itertools
import logging
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine

from api.workers.child import Child, State
from api.workers.control import (
    Allow,
    Answer,
    Beat,
    Claim,
    Hold,
    Look,
    Ready,
    Release,
    decode_from_worker,
)
from api.workers.limits import Counters, remove_expired
from storage.retry import Backoff

logger = logging.getLogger(__name__)

_CHECK_SECONDS = 1.0
_HUNG_SECONDS = 10.0
_BACKOFF = Backoff(first_seconds=0.2, max_seconds=10.0)
_LIVED_SECONDS = 30.0  # a worker that lived longer is replaced at once
_KILLED_AT_START = 1  # the exit code if a signal has ended one of the first workers

# Starts a worker with this number and this end of the control connection.
Spawn = Callable[[int, socket.socket], Awaitable[asyncio.subprocess.Process]]


class Supervisor:
    """Keeps ``count`` workers running until SIGTERM. SIGHUP replaces them one by one."""

    def __init__(
        self,
        count: int,
        spawn: Spawn,
        *,
        ended: Callable[[int], None],
        started: Callable[[], None],
        hung_seconds: float = _HUNG_SECONDS,
        lived_seconds: float = _LIVED_SECONDS,
    ) -> None:
        """``started`` is called when all workers accept connections for the first time.

        ``ended`` is called with the number of each worker that has ended.
        """
        self._count = count
        self._spawn = spawn
        self._on_started = started
        self._on_ended = ended
        self._hung_seconds = hung_seconds
        self._lived_seconds = lived_seconds
        self._counters = Counters()
        self._workers: dict[int, Child] = {}
        self._watching: set[asyncio.Task[None]] = set()
        self._starting = asyncio.Lock()  # one at a time, so that no two get the same number
        self._reload_asked = asyncio.Event()
        self._stopping = asyncio.Event()
        self._backoff = _BACKOFF.delays()
        self._has_started = False
        self._exit_code = 0

    async def run(self) -> int:
        """Return the exit code after all workers have ended."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload_asked.set)
        workers = [await self._start() for _ in range(self._count)]
        tasks = [
            asyncio.create_task(self._announce(workers)),
            asyncio.create_task(self._check_beats()),
            asyncio.create_task(remove_expired(self._counters)),
        ]
        await self._stopping.wait()
        for task in tasks:
            task.cancel()
        await self._stop()
        return self._exit_code

    async def _start(self) -> Child:
        """Start a worker. Raises ``OSError``. Hold `_starting` if another one may be started."""
        number = next(each for each in itertools.count(1) if each not in self._workers)
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await self._spawn(number, theirs)
        except BaseException:
            ours.close()
            raise
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        worker = Child(number, process, writer)
        self._workers[number] = worker
        logger.info("Worker started: worker=%d pid=%d", number, process.pid)
        self._run(self._listen(worker, reader))
        self._run(self._watch(worker))
        if self._stopping.is_set():  # since it was spawned
            worker.stop()
        return worker

    def _run(self, watch: Coroutine[None, None, None]) -> None:
        """Run a task that `_stop` waits for."""
        task = asyncio.create_task(watch)
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    async def _start_missing(self) -> None:
        """Start workers until there are enough. If the system refuses one, try again later."""
        async with self._starting:
            while len(self._workers) < self._count and not self._stopping.is_set():
                try:
                    await self._start()
                except OSError as error:
                    logger.error("Failed to start a worker, retrying: error=%s", error)  # noqa: TRY400
                    await self._is_stopping_within(next(self._backoff))

    async def _announce(self, workers: list[Child]) -> None:
        """Tell all workers as soon as all are ready; stop if one of the first cannot start."""
        for worker in workers:
            await worker.changed.wait()
            ended = next((each for each in workers if each.state is State.STOPPING), None)
            if ended is not None:  # one that was ready may have ended, too
                code = ended.process.returncode or 0
                self._exit_code = code if code >= 0 else _KILLED_AT_START
                logger.error("Worker failed to start: worker=%d", ended.number)
                self._stopping.set()
                return
        self._has_started = True
        self._on_started()
        self._tell_to_look()
        self._run(self._reload_when_asked())

    async def _watch(self, worker: Child) -> None:
        """Wait for the end of the worker, and replace it unless it was stopped."""
        code = await worker.process.wait()
        del self._workers[worker.number]
        self._on_ended(worker.number)
        self._counters.drop(worker.number)
        was_stopped, worker.state = worker.state is State.STOPPING, State.STOPPING
        worker.changed.set()
        self._tell_to_look()
        await worker.close()
        if was_stopped or self._stopping.is_set():
            logger.info("Worker stopped: worker=%d exit_code=%d", worker.number, code)
            return
        logger.error(
            "Worker died: worker=%d pid=%d exit_code=%d", worker.number, worker.process.pid, code
        )
        if not self._has_started:
            return
        if time.monotonic() - worker.started_at > self._lived_seconds:
            self._backoff = _BACKOFF.delays()
        elif await self._is_stopping_within(next(self._backoff)):
            return
        await self._start_missing()

    async def _is_stopping_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return self._stopping.is_set()

    async def _listen(self, worker: Child, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                self._handle(worker, line)
        except OSError:
            pass  # it has ended: `_watch` handles that

    def _handle(self, worker: Child, line: bytes) -> None:
        worker.heard_at = time.monotonic()
        number = worker.number
        match decode_from_worker(line):
            case Ready():
                if worker.state is State.STARTING:
                    worker.state = State.READY
                worker.changed.set()
                if self._has_started:
                    self._tell_to_look()
            case Claim() as claim:
                reached = self._counters.claim(
                    number, claim.session_id, claim.user_id, claim.maxima
                )
                worker.send(Answer(claim.number, reached))
            case Allow() as act:
                is_allowed = self._counters.allow(act.key, act.per_minute)
                worker.send(Answer(act.number, None if is_allowed else "rate"))
            case Hold() as held:
                self._counters.hold(number, held.session_id, held.user_id)
            case Release() as released:
                self._counters.release(number, released.session_id)
            case Beat():
                pass

    def _tell_to_look(self) -> None:
        for worker in self._workers.values():
            worker.send(Look())

    async def _check_beats(self) -> None:
        """Kill workers whose event loop does not answer."""
        while True:
            checked_at = time.monotonic()
            await asyncio.sleep(_CHECK_SECONDS)
            now = time.monotonic()
            if now - checked_at > 2 * _CHECK_SECONDS:
                # This process was stopped, and perhaps the workers with it.
                for worker in self._workers.values():
                    worker.heard_at = now
            for worker in list(self._workers.values()):
                worker.kill_if_silent(now, self._hung_seconds)

    async def _reload_when_asked(self) -> None:
        """Replace all workers once for all signals that have arrived meanwhile."""
        while True:
            await self._reload_asked.wait()
            if self._stopping.is_set():
                return
            self._reload_asked.clear()
            await self._replace_all()
            await self._start_missing()  # one may have died while there was one more

    async def _replace_all(self) -> None:
        """Replace the workers one by one: a new one first, so that clients find it idle."""
        logger.info("Replacing all workers")
        for old in list(self._workers.values()):
            if self._stopping.is_set():
                return
            try:
                async with self._starting:
                    new = await self._start()
            except OSError as error:
                logger.error("Stopped replacing workers: error=%s", error)  # noqa: TRY400
                return
            await new.changed.wait()
            if new.state is not State.READY:
                logger.error("Stopped replacing workers: worker=%d failed", new.number)
                return
            old.stop()
            await old.ended()

    async def _stop(self) -> None:
        self._reload_asked.set()
        workers = list(self._workers.values())
        for worker in workers:
            worker.stop()
        await asyncio.gather(*(worker.ended() for worker in workers))
        while self._watching:  # one that was being started stops, too
            await asyncio.wait(self._watching)
