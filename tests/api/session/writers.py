"""What writes one recording, connected as a session connects it."""

import itertools
from typing import NamedTuple

import msgspec

from api.audio.ffmpeg.launcher import DecoderLauncher
from api.clock import Clock, SystemClock
from api.session.checkpoint_writer import CheckpointWriter
from api.session.input_stream import InputStream
from api.session.kept_input import KeptInput
from api.session.ledger import Ledger
from api.session.pauses import Pauses
from api.session.session_timeline import SessionTimeline
from api.session.stream_files import StreamFiles
from storage.base import Recording
from storage.checkpoint import Checkpoint
from storage.errors import StorageUnavailableError
from storage.retry import Backoff


class Events:
    """What a writer tells its session."""

    def __init__(self) -> None:
        self.failures: list[StorageUnavailableError] = []
        self.warned: list[str] = []
        self.appended = 0

    def count(self) -> None:
        self.appended += 1


class Writers(NamedTuple):
    writer: CheckpointWriter
    timeline: SessionTimeline
    pauses: Pauses
    ledger: Ledger
    kept_input: KeptInput


def new_writers(
    recording: Recording,
    events: Events | None = None,
    *,
    retries: int = 3,
    clock: Clock | None = None,
) -> Writers:
    events = events or Events()
    writer = CheckpointWriter(
        recording,
        gave_up=events.failures.append,
        appended=events.count,
        warned=events.warned.append,
        backoff=Backoff(first_seconds=0.01, max_seconds=0.01, retries=retries),
    )
    timeline = SessionTimeline(writer, clock or SystemClock())
    ledger = Ledger(writer, timeline)
    kept_input = KeptInput(writer, ledger, timeline.pace)
    return Writers(writer, timeline, Pauses(writer, timeline), ledger, kept_input)


def new_files(recording: Recording, writers: Writers) -> StreamFiles:
    """Return the files of the first stream of the recording, which is declared as WAV."""
    return StreamFiles(
        1,
        "wav",
        recording.manifest.pcm_format,
        launcher=DecoderLauncher(),
        ledger=writers.ledger,
        kept_input=writers.kept_input,
        next_number=itertools.count(2).__next__,
    )


def new_stream(recording: Recording, writers: Writers) -> InputStream:
    """Return the first stream of the recording."""
    return InputStream(
        new_files(recording, writers),
        recording.manifest.pcm_format,
        ledger=writers.ledger,
        kept_input=writers.kept_input,
        pauses=writers.pauses,
    )


def without_journal(checkpoint: Checkpoint) -> Checkpoint:
    return msgspec.structs.replace(checkpoint, journal_bytes=0, written_at=0.0)
