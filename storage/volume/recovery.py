"""How far a recording got, read from its files after its writer has gone. Changes nothing.

Audio that is missing never becomes zeros: a checkpoint counts only what the files hold.
"""

import logging
from pathlib import Path
from uuid import UUID

import msgspec

from storage import wav
from storage.checkpoint import Checkpoint, StreamCheckpoint
from storage.manifest import Manifest
from storage.volume.checkpoint_file import SavedCheckpoints, read_checkpoints
from storage.volume.paths import SessionPaths
from storage.warning import (
    CHECKPOINT_DAMAGED,
    KEPT_INPUT_LOST,
    KEPT_INPUT_MESSAGE,
    PERSISTED_AUDIO_LOST,
    UNPERSISTED_AUDIO_LOST,
    SessionWarning,
)

logger = logging.getLogger(__name__)


class Recovered(msgspec.Struct, frozen=True):
    """Where the recording continues.

    ``is_whole`` is False if files lack what was persisted, or if no checkpoint can be read.
    ``new_warnings`` are those that the recovery has added.
    """

    checkpoint: Checkpoint
    persisted: Checkpoint
    is_whole: bool = True
    new_warnings: tuple[SessionWarning, ...] = ()


def recover(paths: SessionPaths, manifest: Manifest, boot_id: UUID) -> Recovered:
    """Return the last checkpoint that counts. Block.

    That is the last one written, if it was written in this boot of the machine. After a loss of
    power or a failed sync it is the last one persisted. Its warnings say what is missing.
    """
    saved = read_checkpoints(paths.checkpoint)
    written, persisted = saved.written, saved.persisted
    is_same_boot = saved.boot_id == boot_id
    if written is not None and is_same_boot and _is_held(written, paths, manifest):
        return Recovered(written, persisted or Checkpoint())
    if persisted is None:
        return _by_length(paths, manifest)
    logger.warning("%s: back to the last persisted checkpoint", manifest.session_id)
    known = persisted.warnings
    is_whole = _is_held(persisted, paths, manifest)
    if not is_whole:
        persisted = _as_held(persisted, paths, manifest)
    elif _counted_more(saved, paths):
        persisted = _with_warning(persisted, manifest, UNPERSISTED_AUDIO_LOST, _lost(persisted))
    new = tuple(each for each in persisted.warnings if each not in known)
    return Recovered(persisted, persisted, is_whole, new)


def _lost(persisted: Checkpoint) -> str:
    return (
        f"the machine lost power or its disk failed: chunks from number "
        f"{persisted.chunk_count + 1} on were not persisted and had to be sent again"
    )


def _with_warning(
    checkpoint: Checkpoint, manifest: Manifest, code: str, message: str
) -> Checkpoint:
    logger.error(
        "%s: audio was not recorded: code=%s reason=%s", manifest.session_id, code, message
    )
    return checkpoint.warned(code, message, frame=manifest.pcm_format.frames(checkpoint.pcm_bytes))


def _counted_more(saved: SavedCheckpoints, paths: SessionPaths) -> bool:
    """Return whether something after the persisted checkpoint was written, as far as is known."""
    assert saved.persisted is not None
    if saved.written is None or saved.written.chunk_count > saved.persisted.chunk_count:
        return True
    return _size_bytes(paths.audio) > wav.HEADER_BYTES + saved.persisted.pcm_bytes


def _by_length(paths: SessionPaths, manifest: Manifest) -> Recovered:
    """Keep all audio: the state was removed or damaged, or only the audio was restored."""
    pcm_bytes = _held_pcm_bytes(paths, manifest)
    checkpoint = Checkpoint(0, pcm_bytes)
    if pcm_bytes:
        message = "the checkpoint was damaged: the chunks of the audio up to here are not counted"
        checkpoint = _with_warning(checkpoint, manifest, CHECKPOINT_DAMAGED, message)
    return Recovered(checkpoint, checkpoint, is_whole=False, new_warnings=checkpoint.warnings)


def _is_held(checkpoint: Checkpoint, paths: SessionPaths, manifest: Manifest) -> bool:
    pcm_bytes = checkpoint.pcm_bytes
    if manifest.pcm_format.whole_frames(pcm_bytes) != pcm_bytes:
        return False
    return pcm_bytes <= _held_pcm_bytes(paths, manifest) and all(
        _is_input_held(stream, paths) for stream in checkpoint.streams
    )


def _is_input_held(stream: StreamCheckpoint, paths: SessionPaths) -> bool:
    """Return whether the decoder of the stream can continue. With a state it needs no input."""
    return bool(stream.state) or _size_bytes(paths.input(stream.number)) >= stream.kept_bytes


def _as_held(checkpoint: Checkpoint, paths: SessionPaths, manifest: Manifest) -> Checkpoint:
    """Return the checkpoint of what is left of the audio and of the streams."""
    held_bytes = manifest.pcm_format.whole_frames(checkpoint.pcm_bytes)
    held_bytes = min(held_bytes, _held_pcm_bytes(paths, manifest))
    held = msgspec.structs.replace(checkpoint, pcm_bytes=held_bytes)
    if missing_bytes := checkpoint.pcm_bytes - held_bytes:
        seconds = manifest.pcm_format.seconds(missing_bytes)
        message = f"{seconds:.3f} s of persisted audio in front of this point are missing"
        held = _with_warning(held, manifest, PERSISTED_AUDIO_LOST, message)
    for stream in checkpoint.streams:
        if not _is_input_held(stream, paths):
            held = held.without(stream.number)
            held = _with_warning(held, manifest, KEPT_INPUT_LOST, KEPT_INPUT_MESSAGE)
    return held


def _held_pcm_bytes(paths: SessionPaths, manifest: Manifest) -> int:
    """Return the bytes of the whole frames in the audio file."""
    pcm_bytes = max(0, _size_bytes(paths.audio) - wav.HEADER_BYTES)
    return manifest.pcm_format.whole_frames(pcm_bytes)


def _size_bytes(path: Path) -> int:
    """Return the size of the file, 0 if it is missing or no file."""
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0
