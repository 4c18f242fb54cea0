"""How late the audio of a session comes."""

import pytest

from api.session.pace import Pace

SECOND = 32_000  # bytes


class Session:
    """Adds audio to a recording and tells its pace."""

    def __init__(self, began: float = 1.7e9) -> None:
        self.pace = Pace(SECOND)
        self.pcm_bytes = 0
        self.began = began

    def add(self, at: float, seconds: float, number: int = 1) -> float:
        """Add audio at a time; return how late it is."""
        if number != self.pace.number:
            self.pace.switch(number, self.pcm_bytes)
        self.pcm_bytes += int(seconds * SECOND)
        lead = self.pcm_bytes * self.pace.seconds_per_byte - (self.began + at)
        return 0.0 if self.pace.low <= lead <= self.pace.high else self.pace.note(lead)


@pytest.mark.parametrize("chunk_seconds", [0.02, 1.0, 5.0])
def test_audio_in_real_time_is_never_late(chunk_seconds: float) -> None:
    session = Session()
    assert not any(session.add(chunk_seconds * each, chunk_seconds) for each in range(1, 1000))


def test_what_does_not_come_is_a_gap_of_its_length() -> None:
    session = Session()
    session.add(1, 1)
    assert session.add(4, 1) == pytest.approx(2.0, abs=1e-5)
    assert session.add(5, 1) == 0


def test_a_delay_that_is_caught_up_does_not_hide_the_next_one() -> None:
    session = Session()
    session.add(1, 1)
    assert session.add(3.02, 0.02) == pytest.approx(2.0, abs=1e-5)
    assert session.add(3.03, 2.0) == 0
    assert session.add(5.03, 1.0) == pytest.approx(1.0, abs=0.02)


def test_a_slow_source_is_late_again_and_again() -> None:
    session = Session()
    late = [session.add(0.02 * each, 0.018) for each in range(1, 1001)]
    assert sum(map(bool, late)) == 3
    assert sum(late) == pytest.approx(1.5, abs=0.1)


def test_an_upload_is_not_late_when_it_stops_for_a_moment() -> None:
    session = Session()
    for each in range(100):
        assert session.add(each / 100, 1) == 0
    assert session.add(3, 1) == 0


def test_streams_at_the_same_time_are_compared_each_with_itself() -> None:
    session = Session()
    for each in range(1, 100):
        assert session.add(each, 1, number=1) == 0
        assert session.add(each + 0.01, 1, number=2) == 0
    assert session.add(100, 1, number=2) == 0
    assert session.add(103, 1, number=2) == pytest.approx(2.0, abs=0.02)
    assert session.add(103, 1, number=1) == pytest.approx(3.0, abs=0.02)


def test_a_stream_that_begins_after_the_last_one_continues_its_time() -> None:
    session = Session()
    session.add(1, 1)
    session.pace.end(1)
    session.pace.begin(2, session.pcm_bytes)
    assert session.add(10, 1, number=2) == pytest.approx(8.0, abs=1e-5)


def test_a_restored_session_compares_with_its_last_audio() -> None:
    session = Session()
    session.pcm_bytes = 10 * SECOND
    session.pace.restore(session.pcm_bytes, session.began, [4])
    assert session.add(6, 1, number=4) == pytest.approx(5.0, abs=1e-5)
