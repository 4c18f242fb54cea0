"""The checkpoints of one recording, each written with what it counts."""

from collections.abc import Callable

import msgspec

from api.audio.formats import DecodeError
from api.observe.metrics import Metrics
from api.session.input_journal import InputJournal
from api.session.losses import Losses
from api.session.timeline_entries import TimelineEntries
from api.session.write_retries import WRITE_BACKOFF, WriteRetries
from storage.base import Recording
from storage.checkpoint import TIMELINE, Checkpoint
from storage.errors import StorageUnavailableError
from storage.journal import JOURNAL
from storage.pcm import Buffer
from storage.retry import Backoff


class CheckpointWriter:
    """Writes audio and checkpoints, with the new entries of the journal and of the timeline.

    ``gave_up``: see `WriteRetries`. ``appended`` is called after each write, and ``warned`` with
    the code of a warning before the first one with this code is written.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        gave_up: Callable[[StorageUnavailableError], None],
        appended: Callable[[], None],
        warned: Callable[[str], None] = lambda _: None,
        backoff: Backoff = WRITE_BACKOFF,
        metrics: Metrics | None = None,
    ) -> None:
        metrics = metrics or Metrics()
        self.session_id = recording.manifest.session_id
        self.recording = recording
        self.journal = InputJournal()
        self.timeline_entries = TimelineEntries()
        self.appended = appended
        self.retries = WriteRetries(
            self.session_id, gave_up=gave_up, backoff=backoff, metrics=metrics
        )
        self.losses = Losses(recording, announce=warned, metrics=metrics)

    @property
    def at(self) -> int:
        """Return the length of the recording, in bytes of PCM."""
        return self.recording.checkpoint.pcm_bytes

    def write(
        self,
        pcm: Buffer,
        checkpoint: Checkpoint,
        at: int,
        writer: int | None = None,
        *,
        passes: bool = False,
    ) -> None:
        """Append ``pcm`` of the stream ``writer`` at ``at``, without retries.

        Raises `StorageUnavailableError`; then nothing has changed.
        """
        entries = self.journal.unwritten
        if writer is None:
            writer = self.journal.writer
        elif writer != self.journal.writer:
            entries += self.journal.switch(at, writer, passes=passes)
        if entries:
            self.recording.keep_input(JOURNAL, checkpoint.journal_bytes, entries)
            journal_bytes = checkpoint.journal_bytes + len(entries)
            checkpoint = msgspec.structs.replace(checkpoint, journal_bytes=journal_bytes)
        if noted := self.timeline_entries.encode():
            self.recording.keep_input(TIMELINE, checkpoint.timeline_bytes, noted)
            timeline_bytes = checkpoint.timeline_bytes + len(noted)
            checkpoint = msgspec.structs.replace(checkpoint, timeline_bytes=timeline_bytes)
        self.recording.append(pcm, checkpoint)
        self.journal.wrote(writer)
        self.timeline_entries.wrote()

    async def change(
        self, change: Callable[[Checkpoint], Checkpoint], lost: DecodeError | None = None
    ) -> None:
        """Write what ``change`` makes of the last checkpoint; warn of what was ``lost``.

        Raises `StorageUnavailableError` after the last retry.
        """
        self.losses.report(lost)

        async def write() -> None:
            checkpoint = self.losses.warned(change(self.recording.checkpoint), lost)
            self.write(b"", checkpoint, self.at)
            self.appended()

        await self.retries.run(write)

    async def read_input(self, number: int) -> bytes:
        """Return all that is kept of stream ``number``, of the journal or of the timeline."""
        return b"".join([block async for block in self.recording.read_input(number)])
