"""The names of a session's files: built here, parsed here, nowhere else."""

from pathlib import Path
from uuid import UUID

MANIFEST = ".json"
LINKS = ".links"
_STATE = ".state"


class SessionPaths:
    """Every path that belongs to one session.

    Its state is in ``state_folder``, or beside the audio if that is None.
    """

    def __init__(self, folder: Path, session_id: UUID, state_folder: Path | None = None) -> None:
        self.folder = folder
        self.audio = folder / f"{session_id}.wav"
        self.manifest = folder / f"{session_id}{MANIFEST}"
        self.peaks = folder / f"{session_id}.dat"
        self.blocks = folder / f"{session_id}.sums"
        self.timeline = folder / f"{session_id}.times"
        self.links = folder / f"{session_id}{LINKS}"
        self.state = (state_folder or folder) / state_name(session_id)
        self.checkpoint = self.state / "checkpoint"
        self.digests = self.state / "digests"
        self.owner = self.state / "owner"

    def growing_peaks(self, boot_id: UUID) -> Path:
        return self.state / f"peaks.{boot_id}"

    def link(self, link_id: str) -> Path:
        """Return the file of a shared link."""
        return self.links / f"{link_id}.json"

    def call(self, call_hash: str) -> Path:
        """Return the empty file that marks the session as one of the call."""
        return self.state / call_name(call_hash)

    def input(self, stream: int) -> Path:
        return self.state / f"input.{stream}"

    def remove_created(self, call_hash: str | None = None) -> None:
        """Remove what an interrupted creation of the session left.

        It opens nothing, because too many open files may have been the reason. Raises ``OSError``.
        """
        marks = [] if call_hash is None else [self.call(call_hash)]
        for path in (self.manifest, self.audio, self.checkpoint, self.owner, *marks):
            path.unlink(missing_ok=True)
        self.state.rmdir()


def state_name(session_id: UUID) -> str:
    """Return the name of the folder with the state of a session."""
    return f"{session_id}{_STATE}"


def call_name(call_hash: str) -> str:
    """Return the name of the mark of a call in the state of its session."""
    return f"call.{call_hash}"


def session_of_manifest(name: str) -> UUID | None:
    """Return the session whose manifest is called ``name``, None if it is no manifest."""
    return _session_of(name, MANIFEST)


def session_of_state(name: str) -> UUID | None:
    """Return the session whose state folder is called ``name``, None if it is none."""
    return _session_of(name, _STATE)


def stream_of_input(name: str) -> int | None:
    """Return the stream whose kept input is called ``name``, None if it is none."""
    number = name.removeprefix("input.")
    return int(number) if number.isascii() and number.isdigit() else None


def _session_of(name: str, suffix: str) -> UUID | None:
    if not name.endswith(suffix):
        return None
    stem = name.removesuffix(suffix)
    try:
        session_id = UUID(stem)
    except ValueError:
        return None
    return session_id if str(session_id) == stem else None
