"""P4: whatever becomes of requests, two nodes never make one session persistent in two ways.

Hypothesis plays the network and the store: it carries out requests late, in another order,
twice or never, loses answers, lets leases run out, and lets both nodes write, persist,
complete and take over the same session at any moment.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import UUID

import pytest
import uuid_utils.compat
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from storage.base import StorageError, StorageUnavailableError
from storage.checkpoint import Checkpoint
from storage.s3 import BucketSettings, Leasing, S3Storage, Shipping
from storage.s3.keys import SessionKeys, segment_sequence
from storage.s3.recording import S3Recording
from storage.segment import SEGMENT_HEADER_BYTES
from tests.conftest import ManualClock
from tests.storage.conftest import new_manifest
from tests.storage.s3.scripted_bucket import Objects, Request, ScriptedBucket

LEASE_SECONDS = 3600.0
NODES = 2
_STEPS_TO_SETTLE = 60


async def inline(function: Any, *arguments: Any) -> Any:
    """In place of a thread, so that the order of things is Hypothesis's alone."""
    return function(*arguments)


class Node:
    """One process with its storage, and what it believes of the session."""

    def __init__(self, objects: Objects, folder: Path, clock: ManualClock) -> None:
        self._place = objects, folder, clock
        bucket = BucketSettings(bucket="model")
        self.bucket = ScriptedBucket(objects, bucket)
        with mock.patch("storage.s3.storage.Bucket", return_value=self.bucket):
            self.storage = S3Storage(
                bucket,
                folder,
                Shipping(segment_seconds=LEASE_SECONDS),
                Leasing(
                    address=f"http://{folder.name}",
                    lease_seconds=LEASE_SECONDS,
                    now=clock.now,
                    monotonic=clock.monotonic,
                ),
            )
        self.recording: S3Recording | None = None
        self.heard = b""  # what it believes to be recorded
        self.task: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        return self.task is None or self.task.done()

    async def die(self) -> "Node":
        """As by ``kill -9``; gives the process that is started after it on the same folder."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        if self.recording is not None:
            self.recording.abandon()
            self.recording.spool.close()
        await self.storage._node.abandon()
        successor = Node(*self._place)
        for request in self.bucket.on_their_way:
            if request.is_waited_for:
                request.fail()
        await successor.storage.start()
        successor.bucket.on_their_way = self.bucket.on_their_way
        successor.bucket.is_instant = False
        return successor


class Takeovers(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp())
        self.threads = mock.patch("asyncio.to_thread", inline)
        self.threads.start()
        self.clock, self.objects = ManualClock(), Objects()
        self.nodes = [
            Node(self.objects, self.folder / f"node-{number}", self.clock)
            for number in range(NODES)
        ]
        self.session_id = UUID(str(uuid_utils.compat.uuid7()))
        self.promised = b""  # what some node has called persisted
        self.chunks = 0
        self.run(self.begin())

    async def begin(self) -> None:
        for node in self.nodes:
            await node.storage.start()
        first = self.nodes[0]
        first.recording = await first.storage.create(new_manifest(session_id=str(self.session_id)))
        for node in self.nodes:
            node.bucket.is_instant = False

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        self.loop.run_until_complete(work)

    def settle(self) -> None:
        """Let everything go on until it waits for a request, then look at what was promised."""

        async def go_on() -> None:
            for _ in range(_STEPS_TO_SETTLE):
                await asyncio.sleep(0)

        self.run(go_on())
        for node in self.nodes:
            if node.recording is not None:
                self.must_be_one_history(node.heard[: node.recording.persisted.pcm_bytes])

    def must_be_one_history(self, persisted: bytes) -> None:
        shorter = min(len(persisted), len(self.promised))
        assert persisted[:shorter] == self.promised[:shorter], "two histories"
        self.promised = max(persisted, self.promised, key=len)
        assert self.stored().startswith(self.promised), "what was promised is not stored"

    def stored(self) -> bytes:
        keys = SessionKeys(self.session_id)
        if keys.audio in self.objects.stored:
            return self.objects.stored[keys.audio][0][80:]
        segments = sorted(self.objects.list(keys.segments), key=segment_sequence)
        return b"".join(self.objects.stored[key][0][SEGMENT_HEADER_BYTES:] for key in segments)

    def requests(self) -> list[tuple[Node, Request]]:
        return [(node, request) for node in self.nodes for request in node.bucket.on_their_way]

    def waiting(self) -> list[tuple[Node, Request]]:
        return [(node, request) for node, request in self.requests() if request.is_waited_for]

    @rule(number=st.integers(0, NODES - 1))
    def append(self, number: int) -> None:
        node = self.nodes[number]
        if node.recording is None or not node.is_idle:
            return
        self.chunks += 1
        chunk = self.chunks.to_bytes(2, "little") * 3
        last = node.recording.checkpoint
        try:
            node.recording.append(
                chunk, Checkpoint(last.chunk_count + 1, last.pcm_bytes + len(chunk))
            )
        except StorageError:
            return
        node.heard += chunk

    @rule(number=st.integers(0, NODES - 1))
    def ship(self, number: int) -> None:
        self.begin_task(number, self.shipping(self.nodes[number]))

    @rule(number=st.integers(0, NODES - 1))
    def take_over(self, number: int) -> None:
        self.begin_task(number, self.taking_over(self.nodes[number]))

    @rule(number=st.integers(0, NODES - 1))
    def complete(self, number: int) -> None:
        self.begin_task(number, self.completing(self.nodes[number]))

    @rule(number=st.integers(0, NODES - 1))
    def let_go(self, number: int) -> None:
        self.begin_task(number, self.letting_go(self.nodes[number]))

    @rule(number=st.integers(0, NODES - 1))
    def die(self, number: int) -> None:
        self.nodes[number] = self.loop.run_until_complete(self.nodes[number].die())
        self.settle()

    @rule()
    def leases_run_out(self) -> None:
        self.clock.seconds += LEASE_SECONDS + 1

    @precondition(lambda self: self.waiting())
    @rule(data=st.data(), count=st.integers(1, 12))
    def carry_out(self, data: st.DataObject, count: int) -> None:
        """In this order or another; most requests fare well."""
        for _ in range(count):
            if waiting := self.waiting():
                node, request = data.draw(st.sampled_from(waiting))
                node.bucket.on_their_way.remove(request)
                request.carry_out()
                self.settle()

    @rule(number=st.integers(0, NODES - 1))
    def calm(self, number: int) -> None:
        """Everything that one node asks for fares well, until it asks no more."""
        bucket = self.nodes[number].bucket
        while waiting := [request for request in bucket.on_their_way if request.is_waited_for]:
            bucket.on_their_way.remove(waiting[0])
            waiting[0].carry_out()
            self.settle()

    @precondition(lambda self: self.waiting())
    @rule(data=st.data())
    def lose_the_answer(self, data: st.DataObject) -> None:
        node, request = data.draw(st.sampled_from(self.waiting()))
        node.bucket.on_their_way.remove(request)
        request.carry_out(lose_answer=True)
        self.settle()

    @precondition(lambda self: self.waiting())
    @rule(data=st.data())
    def delay(self, data: st.DataObject) -> None:
        """Nobody waits for it any longer, but it is still on its way."""
        _, request = data.draw(st.sampled_from(self.waiting()))
        request.fail()
        self.settle()

    @precondition(lambda self: len(self.requests()) > len(self.waiting()))
    @rule(data=st.data(), again=st.booleans())
    def arrive_late(self, data: st.DataObject, again: bool) -> None:
        late = [pair for pair in self.requests() if not pair[1].is_waited_for]
        node, request = data.draw(st.sampled_from(late))
        request.carry_out()
        if not again:
            node.bucket.on_their_way.remove(request)
        self.settle()

    def begin_task(self, number: int, work: Coroutine[Any, Any, None]) -> None:
        node = self.nodes[number]
        if not node.is_idle:
            work.close()
            return
        node.task = self.loop.create_task(work)
        self.settle()

    async def shipping(self, node: Node) -> None:
        if node.recording is not None:
            try:
                await node.recording.ship()
            except StorageUnavailableError:
                return
            except StorageError:
                await self.letting_go(node)

    async def taking_over(self, node: Node) -> None:
        if node.recording is None:
            try:
                recording = await node.storage.open(self.session_id)
            except StorageError:
                return
            pcm_bytes = recording.checkpoint.pcm_bytes
            blocks = [recording.spool.read(0, pcm_bytes)] if pcm_bytes else []
            node.recording, node.heard = recording, b"".join(blocks)

    async def completing(self, node: Node) -> None:
        if node.recording is not None:
            try:
                await node.recording.complete(self.clock.now())
            except StorageError:
                await self.letting_go(node)
                return
            self.must_be_one_history(node.heard)
            node.recording = None

    async def letting_go(self, node: Node) -> None:
        if node.recording is not None:
            recording = node.recording
            node.recording = None
            await recording.release()

    def teardown(self) -> None:
        """The network is well again, one node completes, and all that was promised is there."""
        try:
            self.run(self.end())
        finally:
            self.threads.stop()
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()
            shutil.rmtree(self.folder)

    async def end(self) -> None:
        for node in self.nodes:
            node.bucket.is_instant = True
            for request in node.bucket.on_their_way:
                request.carry_out()
        for node in self.nodes:
            if node.task is not None:
                await node.task
            await self.letting_go(node)
        self.clock.seconds += LEASE_SECONDS + 1
        last = self.nodes[-1]
        await self.taking_over(last)
        await self.completing(last)
        for node in self.nodes:
            await node.storage.stop()
        keys = SessionKeys(self.session_id)
        assert self.objects.stored[keys.audio][0][80:].startswith(self.promised)
        manifest = await last.storage.manifest(self.session_id)
        assert manifest.status == "completed"
        assert manifest.size_bytes == len(self.objects.stored[keys.audio][0])


TestTakeovers = pytest.mark.timeout(300)(Takeovers.TestCase)
Takeovers.TestCase.settings = settings(
    max_examples=200,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
