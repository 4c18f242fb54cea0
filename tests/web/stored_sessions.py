"""Completed sessions in the folder of a service that is not running, without recording them."""

import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from uuid import UUID

import uuid_utils.compat

from storage import manifest as manifests
from storage import wav
from storage.checkpoint import Checkpoint
from storage.manifest import Manifest
from tests.audio import pcm

_SAMPLE_RATE = 8000


def store_sessions(
    folder: Path, sessions: Iterable[tuple[datetime, str | None]], *, seconds: int = 1
) -> list[str]:
    """Store a session with the same audio for each time and title; return the ids.

    A title that begins with "Damaged" gets a warning.
    """
    folder.mkdir(exist_ok=True)
    ids: list[str] = []
    for at, title in sessions:
        checkpoint = Checkpoint(chunk_count=1, pcm_bytes=2 * seconds * _SAMPLE_RATE)
        if title is not None and title.startswith("Damaged"):
            checkpoint = checkpoint.warned("decode_failed", "no frames", frame=_SAMPLE_RATE // 2)
        manifest = Manifest(
            session_id=str(_session_id(at)),
            user_id="kim",
            sample_rate=_SAMPLE_RATE,
            channels=1,
            format="wav",
            created_at=at,
            title=title,
        ).completed(checkpoint, at)
        audio = folder / f"{manifest.session_id}.wav"
        if ids:
            os.link(folder / f"{ids[0]}.wav", audio)
        else:
            samples = pcm(_SAMPLE_RATE) * seconds
            audio.write_bytes(wav.header(manifest.pcm_format, len(samples)) + samples)
        audio.with_suffix(".json").write_bytes(manifests.encode(manifest))
        ids.append(manifest.session_id)
    return ids


def _session_id(at: datetime) -> UUID:
    """Return a UUID version 7 of that time, which orders sessions (RFC 9562, section 5.7)."""
    milliseconds = int(at.timestamp() * 1000)
    return UUID(int=uuid_utils.compat.uuid7().int & (1 << 80) - 1 | milliseconds << 80)
