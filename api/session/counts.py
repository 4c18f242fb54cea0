"""The counts in the messages about a session, read from the checkpoints of its recording."""

from api.wire.messages import ServerMessage, SessionCounts, SessionWarnings
from storage.base import Recording


class Counts:
    """Reads how far a recording has got: its checkpoint advances after what it counts."""

    __slots__ = (
        "_bytes_per_second",
        "_recording",
        "_session_id",
    )

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._session_id = recording.manifest.session_id
        self._bytes_per_second = recording.manifest.pcm_format.bytes_per_second

    def read(self) -> SessionCounts:
        """Return the counts for messages about the session."""
        checkpoint = self._recording.checkpoint
        return SessionCounts(
            self._session_id,
            checkpoint.chunk_count,
            self._recording.persisted.chunk_count,
            checkpoint.pcm_bytes / self._bytes_per_second,
        )

    def count_in(self, message: ServerMessage) -> int:
        """Set the counts in ``message``, which has the session's id.

        Return the number of warnings, which ``message`` does not get.
        """
        checkpoint = self._recording.checkpoint
        message.chunk_count = checkpoint.chunk_count
        message.persisted_chunk_count = self._recording.persisted.chunk_count
        message.duration_seconds = checkpoint.pcm_bytes / self._bytes_per_second
        return checkpoint.warning_count

    @property
    def warnings(self) -> SessionWarnings:
        """Return the warnings of the session."""
        checkpoint = self._recording.checkpoint
        return SessionWarnings(checkpoint.warnings, checkpoint.warning_count)
