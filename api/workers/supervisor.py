"""The supervisor: starts workers, replaces those that died or hang, and stops them."""

import asyncio
import contextlib
import itertools
import logging
import signal
import socket
import time
from collections.abc import Awaitable, Callable

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
_START_SECONDS = 60.0
_STOP_SECONDS = 12.0  # more than the ten seconds in which a worker persists everything
_BACKOFF = Backoff(first_seconds=0.2, max_seconds=10.0)
_LIVED_SECONDS = 30.0  # a worker that lived longer is replaced at once

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
    ) -> None:
        """``started`` is called when all workers accept connections for the first time.

        ``ended`` is called with the number of each worker that has ended.
        """
        self._count = count
        self._spawn = spawn
        self._on_started = started
        self._on_ended = ended
        self._hung_seconds = hung_seconds
        self._counters = Counters()
        self._workers: dict[int, Child] = {}
        self._watching: set[asyncio.Task[None]] = set()
        self._replacing = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._backoff = _BACKOFF.delays()
        self._has_started = False

    async def run(self) -> int:
        """Return the exit code after all workers have ended."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
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
        failed = [each.process.returncode for each in workers if not self._has_started]
        return next((code for code in failed if code and code > 0), 0)

    async def _start(self) -> Child:
        number = next(each for each in itertools.count(1) if each not in self._workers)
        ours, theirs = socket.socketpair()
        with theirs:
            process = await self._spawn(number, theirs)
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        worker = Child(number, process, writer)
        self._workers[number] = worker
        logger.info("Worker started: worker=%d pid=%d", number, process.pid)
        for watch in (self._listen(worker, reader), self._watch(worker)):
            task = asyncio.create_task(watch)
            self._watching.add(task)
            task.add_done_callback(self._watching.discard)
        return worker

    async def _announce(self, workers: list[Child]) -> None:
        """Tell all workers as soon as all are ready; stop if one of the first cannot start."""
        for worker in workers:
            await worker.changed.wait()
            if worker.state is not State.READY:
                logger.error("Worker failed to start: worker=%d", worker.number)
                self._stopping.set()
                return
        self._has_started = True
        self._on_started()
        self._tell_to_look()

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
        if time.monotonic() - worker.started_at > _LIVED_SECONDS:
            self._backoff = _BACKOFF.delays()
        elif await self._is_stopping_within(next(self._backoff)):
            return
        if len(self._workers) < self._count:  # otherwise its successor has been started already
            await self._start()

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
                is_starting = worker.state is State.STARTING
                limit_seconds = _START_SECONDS if is_starting else self._hung_seconds
                if worker.state is not State.STOPPING and now - worker.heard_at > limit_seconds:
                    logger.error(
                        "Worker hangs, killing it: worker=%d silent_seconds=%.0f",
                        worker.number,
                        now - worker.heard_at,
                    )
                    worker.signal(signal.SIGKILL)

    def _reload(self) -> None:
        task = asyncio.create_task(self._replace_all())
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    async def _replace_all(self) -> None:
        """Replace the workers one by one: a new one first, so that clients find it idle."""
        async with self._replacing:
            logger.info("Replacing all workers")
            for old in list(self._workers.values()):
                if self._stopping.is_set():
                    return
                new = await self._start()
                await new.changed.wait()
                if new.state is not State.READY:
                    logger.error("Stopped replacing workers: worker=%d failed", new.number)
                    return
                old.stop()
                await self._end(old)

    async def _stop(self) -> None:
        workers = list(self._workers.values())
        for worker in workers:
            worker.stop()
        await asyncio.gather(*map(self._end, workers))
        await asyncio.gather(*self._watching, return_exceptions=True)

    async def _end(self, worker: Child) -> None:
        """Return when a worker that was told to stop has ended; kill it after a time."""
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await worker.process.wait()
        except TimeoutError:
            worker.signal(signal.SIGKILL)
            await worker.process.wait()
