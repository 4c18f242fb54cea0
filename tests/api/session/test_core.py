"""The state machine of a session, without an event loop."""

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from api.session.core import (
    Action,
    CloseIdle,
    EndStream,
    OpenStream,
    Replace,
    SessionCore,
    SessionLimits,
    SessionState,
)
from api.wire.errors import SessionCompletedError, TooManyConnectionsError

LIMITS = SessionLimits(
    max_connections=3,
    connection_timeout_seconds=300,
    session_idle_timeout_seconds=3600,
    max_session_duration_seconds=86400,
)


def new_core(last_stream: int = 0) -> SessionCore[str]:
    return SessionCore("an-id", LIMITS, last_stream=last_stream, now=0.0)


def test_each_connection_gets_a_stream_of_its_own() -> None:
    core = new_core(last_stream=7)
    assert core.attach("a") == [OpenStream(8)]
    assert core.attach("b") == [OpenStream(9)]
    assert (core.stream_of("a"), core.stream_of("b")) == (8, 9)


def test_a_dropped_stream_with_input_can_be_resumed() -> None:
    core = new_core()
    core.attach("a")
    assert core.detach("a", has_input=True, now=1.0) == []
    assert core.resume("b") == []
    assert core.stream_of("b") == 1


def test_a_dropped_stream_without_input_ends_at_once() -> None:
    core = new_core()
    core.attach("a")
    assert core.detach("a", has_input=False, now=1.0) == [EndStream(1)]
    assert core.resume("b") == [OpenStream(2)]


def test_a_new_connection_ends_the_waiting_stream() -> None:
    core = new_core()
    core.attach("a")
    core.detach("a", has_input=True, now=1.0)
    assert core.attach("b") == [OpenStream(2), EndStream(1)]


def test_a_second_drop_ends_the_stream_that_waits() -> None:
    core = new_core()
    core.attach("a")
    core.attach("b")
    core.detach("a", has_input=True, now=1.0)
    assert core.detach("b", has_input=True, now=2.0) == [EndStream(1)]
    assert core.waiting == 2


def test_resuming_replaces_the_latest_connection() -> None:
    core = new_core()
    core.attach("a")
    core.attach("b")
    assert core.resume("c") == [Replace("b")]
    core.detach("b", has_input=True, now=1.0)
    assert core.resume("c") == []
    assert core.stream_of("c") == 2


def test_a_number_is_given_to_one_stream_only() -> None:
    core = new_core()
    core.attach("a")
    assert core.next_number() == 2
    assert core.attach("b") == [OpenStream(3)]


def test_the_latest_of_several_open_streams_is_resumed() -> None:
    core = new_core(last_stream=5)
    assert core.restore(3) == []
    assert core.restore(5) == [EndStream(3)]
    core.resume("a")
    assert core.stream_of("a") == 5


def test_a_refused_connection_changes_nothing() -> None:
    core = new_core()
    for connection in ("a", "b", "c"):
        core.attach(connection)
    with pytest.raises(TooManyConnectionsError):
        core.attach("d")
    assert list(core.streams) == ["a", "b", "c"]


def test_a_listener_that_stops_frees_its_place() -> None:
    core = new_core()
    for _ in range(3):
        core.listen()
    with pytest.raises(TooManyConnectionsError):
        core.listen()
    core.stop_listening()
    core.listen()


EVENTS: list[Callable[[SessionCore[str]], object]] = [
    lambda core: core.attach("b"),
    lambda core: core.resume("b"),
    lambda core: core.stream_of("a"),
]


@pytest.mark.parametrize("event", EVENTS)
def test_an_ending_session_refuses_all_events(
    event: Callable[[SessionCore[str]], object],
) -> None:
    core = new_core()
    core.attach("a")
    assert core.begin_end()
    assert not core.begin_end()
    with pytest.raises(SessionCompletedError):
        event(core)
    core.end(SessionState.COMPLETED)
    with pytest.raises(SessionCompletedError):
        event(core)


@pytest.mark.parametrize(
    ("now", "age", "duration", "chunks", "is_over"),
    [
        (300.0, 300.0, 0.0, 0, False),
        (301.0, 301.0, 0.0, 0, True),  # no audio was received
        (3600.0, 3600.0, 1.0, 1, False),
        (3601.0, 3601.0, 1.0, 1, True),
        (1.0, 86401.0, 1.0, 1, True),
        (1.0, 1.0, 86401.0, 1, True),
    ],
)
def test_a_session_without_connections_is_over_after_its_limits(
    now: float, age: float, duration: float, chunks: int, is_over: bool
) -> None:
    found = new_core().is_over(now, age_seconds=age, duration_seconds=duration, chunk_count=chunks)
    assert found == is_over


def test_the_idle_time_begins_when_the_last_connection_leaves() -> None:
    core = new_core()
    core.attach("a")
    core.attach("b")
    core.detach("a", has_input=True, now=10.0)
    assert core.idle_seconds(15.0) is None
    core.detach("b", has_input=True, now=20.0)
    assert core.idle_seconds(25.0) == 5.0
    assert core.idle_timeout_seconds(chunk_count=1) == 3600
    assert core.idle_timeout_seconds(chunk_count=0) == 300


def test_a_connected_session_is_over_only_if_too_old_or_too_long() -> None:
    core = new_core()
    core.attach("a")
    assert not core.is_over(80_000, age_seconds=80_000, duration_seconds=0, chunk_count=0)
    assert core.is_over(86_401, age_seconds=86_401, duration_seconds=0, chunk_count=0)


def test_silent_connections_and_streams_are_overdue_after_the_timeout() -> None:
    core = new_core()
    core.attach("a")
    core.attach("b")
    core.detach("a", has_input=True, now=100.0)
    assert core.overdue(400.0, {"b": 101.0}) == []
    assert core.overdue(401.0, {"b": 100.0}) == [CloseIdle("b"), EndStream(1)]


class SessionLife(RuleBasedStateMachine):
    """Apply events in any order; a simulated shell carries out the actions at once."""

    def __init__(self) -> None:
        super().__init__()
        self.core: SessionCore[int] = SessionCore("an-id", LIMITS, last_stream=0, now=0.0)
        self.opened: list[int] = []
        self.ended: list[int] = []
        self.with_input: set[int] = set()
        self.connections = 0

    def run(self, actions: list[Action[int]]) -> None:
        for action in actions:
            match action:
                case OpenStream(number):
                    self.opened.append(number)
                case EndStream(number):
                    self.ended.append(number)
                case Replace(connection):
                    self.detach(connection)

    def detach(self, connection: int) -> None:
        has_input = self.core.streams.get(connection) in self.with_input
        self.run(self.core.detach(connection, has_input=has_input, now=0.0))

    @property
    def is_active(self) -> bool:
        return self.core.state is SessionState.ACTIVE

    @rule(resume=st.booleans())
    def connect(self, resume: bool) -> None:
        self.connections += 1
        waiting = self.core.waiting
        try:
            if not resume:
                self.run(self.core.attach(self.connections))
            while resume and self.connections not in self.core.streams:
                self.run(self.core.resume(self.connections))
        except TooManyConnectionsError:
            assert len(self.core.streams) == LIMITS.max_connections
        except SessionCompletedError:
            assert not self.is_active
        else:
            if resume and waiting is not None:
                assert self.core.streams[self.connections] == waiting

    @precondition(lambda self: self.core.streams)
    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        connection = data.draw(st.sampled_from(list(self.core.streams)))
        if self.is_active:
            self.with_input.add(self.core.stream_of(connection))

    @precondition(lambda self: self.core.streams)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        self.detach(data.draw(st.sampled_from(list(self.core.streams))))

    @rule(now=st.floats(0, 1000))
    def sweep(self, now: float) -> None:
        self.run(self.core.overdue(now, dict.fromkeys(self.core.streams, now)))

    @rule()
    def close(self) -> None:
        self.core.begin_end()

    @invariant()
    def streams_are_numbered_in_order_and_end_once(self) -> None:
        assert self.opened == list(range(1, len(self.opened) + 1))
        assert len(self.ended) == len(set(self.ended))

    @invariant()
    def every_open_stream_belongs_to_one_connection_or_waits(self) -> None:
        assert len(self.core.streams) <= LIMITS.max_connections
        used = [*self.core.streams.values()]
        if self.core.waiting is not None:
            used.append(self.core.waiting)
        assert len(used) == len(set(used))
        still_open = set(self.opened) - set(self.ended)
        assert set(used) <= still_open
        if self.is_active:
            assert set(used) == still_open


SessionLife.TestCase.settings = settings(max_examples=200, stateful_step_count=40)
TestSessionLife = SessionLife.TestCase
