"""P4: two nodes never persist different audio for one session, whatever happens to requests.

Hypothesis acts as the network and the store: it carries out requests late, in another order,
twice or never, loses answers, lets leases expire, and lets both nodes write, persist, complete
and take over the same session at any moment.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from enum import Enum
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import uuid_utils.compat
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from storage.threads import ThreadPool
from tests.conftest import ManualClock
from tests.storage.s3.model_node import LEASE_SECONDS, History, Node
from tests.storage.s3.scripted_bucket import Objects, Request

_STEPS_TO_SETTLE = 30


class Fault(Enum):
    STAYS = "the request is not carried out yet"
    DELAYED = "the caller has given up, and the request is still in flight"
    ANSWER_LOST = "the request is carried out, and its answer is lost"


_numbers = st.integers(0, 1)
# The number of the request that meets a fault, and the fault; mostly none.
_fates = st.none() | st.tuples(st.integers(0, 12), st.sampled_from(Fault))
_works = st.sampled_from([Node.ship, Node.take_over, Node.release, Node.complete, Node.renew])
Fate = tuple[int, Fault] | None
Work = Callable[[Node], Coroutine[Any, Any, None]]


async def inline(_: ThreadPool, function: Any, *arguments: Any, **keywords: Any) -> Any:
    """Run ``function`` here instead of in a thread, so that only Hypothesis decides the order."""
    return function(*arguments, **keywords)


class Takeovers(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp())
        self.threads = mock.patch.object(ThreadPool, "run", inline)
        self.threads.start()
        self.clock, self.objects = ManualClock(), Objects()
        self.nodes: list[Node] = []
        for number in range(2):
            self.nodes.append(Node(self.objects, self.folder / f"node-{number}", self.clock))
            self.run(self.nodes[number].storage.start())
        self.begin_session(0)
        for node in self.nodes:
            node.bucket.is_instant = False

    def begin_session(self, number: int) -> None:
        self.history = History(self.objects, uuid_utils.compat.uuid7())
        for node in self.nodes:
            node.history, node.left = self.history, (0, b"")
        self.run(self.nodes[number].create())

    def is_stopped(self) -> bool:
        return self.history.is_complete and all(
            node.is_idle and node.recording is None for node in self.nodes
        )

    def must_have_writer(self, number: int) -> None:
        """Ensure that node ``number`` owns an active session."""
        for node in self.nodes:
            self.go_on(node)
        if self.is_stopped():
            self.history.must_be_complete()
            self.begin_session(number)
        elif self.nodes[number].recording is None:
            self.run(self.expire_leases())
            self.do(self.nodes[number], self.nodes[number].take_over())

    async def expire_leases(self) -> None:
        """Let a lease pass after each node has seen the renewals of the other one."""
        for node in self.nodes:
            await node.look()
        self.clock.seconds += LEASE_SECONDS + 1

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        self.loop.run_until_complete(work)

    def settle(self) -> None:
        """Run all tasks until they wait for requests, then check the persisted audio."""

        async def go_on() -> None:
            for _ in range(_STEPS_TO_SETTLE):
                await asyncio.sleep(0)

        self.run(go_on())
        for node in self.nodes:
            node.must_agree()

    def requests(self) -> list[tuple[Node, Request]]:
        return [(node, request) for node in self.nodes for request in node.bucket.in_flight]

    def waiting(self) -> list[tuple[Node, Request]]:
        return [(node, request) for node, request in self.requests() if request.is_waited_for]

    def meet(self, node: Node, request: Request, fault: Fault | None) -> None:
        if fault is Fault.DELAYED:
            request.fail()
        else:
            node.bucket.in_flight.remove(request)
            request.carry_out(lose_answer=fault is Fault.ANSWER_LOST)
        self.settle()

    def go_on(self, node: Node, fate: Fate = None) -> None:
        """Carry out all requests of the node successfully, but for the one that ``fate`` names."""
        at, fault = fate or (-1, None)
        count = 0
        while waiting := [each for each in node.bucket.in_flight if each.is_waited_for]:
            if count == at and fault is Fault.STAYS:
                return
            self.meet(node, waiting[0], fault if count == at else None)
            count += 1

    def do(self, node: Node, work: Coroutine[Any, Any, None], fate: Fate = None) -> None:
        self.go_on(node)  # finish what is in progress
        node.task = self.loop.create_task(work)
        self.settle()
        self.go_on(node, fate)

    def append(self, number: int, chunks: int) -> None:
        if self.nodes[number].is_idle:
            for _ in range(chunks):
                self.nodes[number].append()

    def die(self, number: int) -> None:
        self.nodes[number] = self.loop.run_until_complete(self.nodes[number].die())
        self.settle()

    @rule(
        number=_numbers, runs_out=st.booleans(), chunks=st.integers(0, 2), work=_works, fate=_fates
    )
    def act(self, number: int, runs_out: bool, chunks: int, work: Work, fate: Fate) -> None:
        if runs_out:
            self.run(self.expire_leases())
        self.append(number, chunks)
        self.do(self.nodes[number], work(self.nodes[number]), fate)

    @rule(number=_numbers)
    def die_at_once(self, number: int) -> None:
        self.die(number)

    @rule(
        number=_numbers,
        ahead=st.integers(0, 3),
        fate=_fates,
        dies=st.booleans(),
        chunks=st.integers(0, 2),
        ending=st.sampled_from([Node.ship, Node.release, Node.complete]),
        renews=st.booleans(),
        fates=st.lists(_fates, max_size=2),
    )
    def sleep(
        self,
        number: int,
        ahead: int,
        fate: Fate,
        dies: bool,
        chunks: int,
        ending: Work,
        renews: bool,
        fates: list[Fate],
    ) -> None:
        """A writer with unpersisted audio pauses or dies; each node takes over in turn."""
        self.must_have_writer(number)
        self.append(number, ahead)
        if fate is not None:
            self.do(self.nodes[number], self.nodes[number].ship(), fate)
        if dies:
            self.die(number)
        sleeper, other = self.nodes[number], self.nodes[1 - number]
        self.run(self.expire_leases())
        self.do(other, other.renew())
        self.do(other, other.take_over())
        self.append(1 - number, chunks)
        self.do(other, other.ship())
        self.do(other, ending(other))
        if renews:
            self.do(sleeper, sleeper.renew())
        for each in [*fates, None]:
            self.do(sleeper, sleeper.take_over(), each)
            self.append(number, 1)
            self.do(sleeper, sleeper.ship(), each)

    @rule(
        writer=_numbers,
        number=_numbers,
        runs_out=st.booleans(),
        first=_works,
        at=st.integers(0, 12),
        second=_works,
    )
    def meanwhile(
        self, writer: int, number: int, runs_out: bool, first: Work, at: int, second: Work
    ) -> None:
        """One node completes an operation while an operation of the other one is half done."""
        self.must_have_writer(writer)
        node, other = self.nodes[number], self.nodes[1 - number]
        for each in range(2):
            self.append(each, 1)
        if runs_out:
            self.run(self.expire_leases())
        self.do(node, first(node), (at, Fault.STAYS))
        self.do(other, second(other))
        self.go_on(node)
        self.append(number, 1)
        self.do(node, node.ship())

    @precondition(lambda self: self.waiting())
    @rule(data=st.data(), count=st.integers(1, 12))
    def carry_out(self, data: st.DataObject, count: int) -> None:
        """Carry out up to ``count`` waiting requests, in any order."""
        for _ in range(count):
            if waiting := self.waiting():
                self.meet(*data.draw(st.sampled_from(waiting)), None)

    @precondition(lambda self: self.waiting())
    @rule(data=st.data(), fault=st.sampled_from(Fault))
    def disturb(self, data: st.DataObject, fault: Fault) -> None:
        if fault is not Fault.STAYS:
            self.meet(*data.draw(st.sampled_from(self.waiting())), fault)

    @precondition(lambda self: len(self.requests()) > len(self.waiting()))
    @rule(data=st.data(), again=st.booleans())
    def arrive_late(self, data: st.DataObject, again: bool) -> None:
        late = [pair for pair in self.requests() if not pair[1].is_waited_for]
        node, request = data.draw(st.sampled_from(late))
        request.carry_out()
        if not again:
            node.bucket.in_flight.remove(request)
        self.settle()

    def teardown(self) -> None:
        """Let one node complete the session without faults, then check the persisted audio."""
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
            for request in node.bucket.in_flight:
                request.carry_out()
        for node in self.nodes:
            if node.task is not None:
                await node.task
            await node.release()
        await self.expire_leases()
        last = self.nodes[-1]
        await last.take_over()
        await last.complete()
        for node in self.nodes:
            await node.storage.stop()
        self.history.must_be_complete()


TestTakeovers = pytest.mark.long(pytest.mark.timeout(300)(Takeovers.TestCase))
Takeovers.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
