"""The states of a recording, and the transitions between them.

::

    OPEN ──► SEALED ──► COMPLETED
     │         ├──────► CLOSED ◄── FAILED
     │         ├──────► FENCED
     │         └──────► FAILED
     ├────────────────► CLOSED
     ├────────────────► FENCED
     └────────────────► FAILED
"""

import enum


class RecordingState(enum.Enum):
    """Where a recording is between its creation and its end."""

    OPEN = "open"  # it takes audio
    SEALED = "sealed"  # completion or release has started; it takes no more audio
    COMPLETED = "completed"  # the manifest says so
    FAILED = "failed"  # a sync failed: nothing that was not persisted counts any more
    CLOSED = "closed"  # released or abandoned; it can be opened again
    FENCED = "fenced"  # another node writes the session

    @property
    def is_final(self) -> bool:
        """Return whether no other state follows."""
        return not _FOLLOWING[self]

    def to(self, following: "RecordingState") -> "RecordingState":
        """Return ``following``. Raises `ValueError` if it cannot follow this state.

        Every state can follow itself.
        """
        if following is not self and following not in _FOLLOWING[self]:
            raise ValueError(f"a recording that is {self.value} cannot become {following.value}")
        return following

    def sealed(self) -> "RecordingState":
        """Return SEALED if the recording is open, else the state as it is."""
        return RecordingState.SEALED if self is RecordingState.OPEN else self

    def closed(self) -> "RecordingState":
        """Return CLOSED, or the final state that the recording already has."""
        return self if self.is_final else RecordingState.CLOSED


_FOLLOWING = {
    RecordingState.OPEN: {
        RecordingState.SEALED,
        RecordingState.CLOSED,
        RecordingState.FENCED,
        RecordingState.FAILED,
    },
    RecordingState.SEALED: {
        RecordingState.COMPLETED,
        RecordingState.CLOSED,
        RecordingState.FENCED,
        RecordingState.FAILED,
    },
    RecordingState.FAILED: {RecordingState.CLOSED},
    RecordingState.COMPLETED: frozenset[RecordingState](),
    RecordingState.CLOSED: frozenset[RecordingState](),
    RecordingState.FENCED: frozenset[RecordingState](),
}
