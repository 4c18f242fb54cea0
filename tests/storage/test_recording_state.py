"""The states of a recording, and their allowed transitions."""

import pytest

from storage.recording_state import RecordingState

OPEN, SEALED, COMPLETED, FAILED, CLOSED, FENCED = RecordingState


def test_a_final_state_is_never_left() -> None:
    assert [state for state in RecordingState if state.is_final] == [COMPLETED, CLOSED, FENCED]
    for state in (COMPLETED, CLOSED, FENCED):
        for following in set(RecordingState) - {state}:
            with pytest.raises(ValueError, match=f"{state.value} cannot become"):
                state.to(following)
        assert state.sealed() is state.closed() is state.to(state) is state


def test_a_recording_is_sealed_before_it_is_completed() -> None:
    with pytest.raises(ValueError, match="open cannot become completed"):
        OPEN.to(COMPLETED)
    assert OPEN.sealed().to(COMPLETED) is COMPLETED


def test_a_sealed_recording_cannot_be_opened_again() -> None:
    with pytest.raises(ValueError, match="sealed cannot become open"):
        SEALED.to(OPEN)


def test_after_a_failed_sync_a_recording_can_only_be_closed() -> None:
    for following in {OPEN, SEALED, COMPLETED, FENCED}:
        with pytest.raises(ValueError, match="failed cannot become"):
            FAILED.to(following)
    assert FAILED.sealed() is FAILED
    assert FAILED.closed() is CLOSED


@pytest.mark.parametrize("state", [OPEN, SEALED])
def test_a_recording_can_be_closed_or_fenced_before_its_final_state(state: RecordingState) -> None:
    assert state.closed() is CLOSED
    assert state.to(FENCED) is FENCED
    assert state.to(FAILED) is FAILED
