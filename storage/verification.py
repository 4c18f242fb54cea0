"""Check recordings and receipts against each other."""

import hashlib
from collections.abc import AsyncIterator, Callable, Collection
from typing import Protocol
from uuid import UUID

import msgspec

from storage import receipt as receipts
from storage import threads, timeline, wav
from storage.block_digest import BlockDigest, damaged_blocks
from storage.manifest import Manifest
from storage.pcm import PcmFormat
from storage.receipt import Receipt
from storage.receipt_key import is_signed_by, key_id


class StoredAudio(Protocol):
    """A WAV of ``size_bytes``, of which any range of bytes can be read."""

    size_bytes: int

    def read(self, start: int, stop: int) -> AsyncIterator[bytes]: ...


class StoredRecordings(Protocol):
    """All recordings of a store. May be used beside the service; changes nothing.

    Raises `storage.errors.StorageError`.
    """

    def sessions(self) -> AsyncIterator[UUID]:
        """Yield the sessions that have a manifest."""
        ...

    async def manifest(self, session_id: UUID) -> Manifest: ...

    async def audio(self, session_id: UUID) -> StoredAudio:
        """Return the audio as it is. Raises `RecordingNotFoundError` if there is none."""
        ...

    async def blocks(self, session_id: UUID) -> bytes:
        """Return the digests of the blocks, empty if there are none."""
        ...

    async def timeline(self, session_id: UUID) -> bytes:
        """Return the file of the timeline, empty if there is none."""
        ...


class Problem(msgspec.Struct, frozen=True):
    """What does not fit. ``blocks`` are the numbers of damaged blocks of 1 MiB, from 0."""

    code: str
    message: str
    blocks: list[int] = []


def check_receipt(
    manifest: Manifest, receipt: Receipt, public_keys: Collection[bytes]
) -> list[Problem]:
    """Check the signature, and that the receipt is of this session.

    A receipt without a signature has the problem ``unsigned``.
    """
    found = []
    expected = {
        "session_id": manifest.session_id,
        "sample_rate": manifest.sample_rate,
        "channels": manifest.channels,
        "chunk_count": manifest.chunk_count,
        "frames": manifest.frames,
        "warning_count": manifest.warning_count,
        "warnings": manifest.warnings,
        "created_at": msgspec.to_builtins(manifest.created_at),
        "completed_at": msgspec.to_builtins(manifest.completed_at),
    }
    differing = [name for name, value in expected.items() if getattr(receipt, name) != value]
    if differing:
        names = ", ".join(differing)
        found.append(Problem("receipt_differs", f"receipt and manifest differ: {names}"))
    if receipt.signature is None or receipt.kid is None:
        found.append(Problem("unsigned", "the receipt is not signed"))
        return found
    keys = {key_id(key): key for key in public_keys}
    if receipt.kid not in keys:
        found.append(Problem("unknown_key", f"no key with the id {receipt.kid} is known"))
    elif not is_signed_by(
        keys[receipt.kid], bytes.fromhex(receipt.signature), receipts.canonical(receipt)
    ):
        found.append(Problem("bad_signature", "the receipt was altered: its signature is wrong"))
    return found


def check_timeline(receipt: Receipt, data: bytes) -> list[Problem]:
    """Compare the file of the timeline with the receipt; ``data`` is empty if there is none."""
    if receipt.timeline_digest in {None, timeline.digest(data)}:
        return []
    text = "is not that of the receipt" if data else "is missing"
    return [Problem("timeline_differs", f"the timeline {text}")]


async def check_audio(
    audio: StoredAudio,
    receipt: Receipt,
    blocks: bytes,
    on_progress: Callable[[int], object] = lambda _: None,
) -> list[Problem]:
    """Read the audio once and compare it with the receipt.

    ``blocks`` says which blocks differ, if it fits the receipt. ``on_progress`` gets the bytes
    read so far.
    """
    pcm_bytes = receipt.audio.bytes
    size_bytes = wav.HEADER_BYTES + pcm_bytes
    found = []
    if audio.size_bytes != size_bytes:
        text = f"the file has {audio.size_bytes} bytes instead of {size_bytes}"
        code = "too_short" if audio.size_bytes < size_bytes else "too_long"
        found.append(Problem(code, text))
    header, digest, done = b"", BlockDigest(), 0
    async for data in audio.read(0, min(size_bytes, audio.size_bytes)):
        done += len(data)
        head = data[: wav.HEADER_BYTES - len(header)]
        header += head
        await threads.reading.run(digest.update, data[len(head) :])
        on_progress(done)
    if header != wav.header(PcmFormat(receipt.sample_rate, receipt.channels), pcm_bytes):
        found.append(Problem("header_differs", "the header of the WAV is not that of the receipt"))
    if digest.size_bytes != pcm_bytes or digest.hexdigest() != receipt.audio.digest:
        found.append(_differing(digest, receipt, blocks))
    return found


def _differing(digest: BlockDigest, receipt: Receipt, blocks: bytes) -> Problem:
    if hashlib.sha256(blocks).hexdigest() != receipt.audio.digest:
        return Problem("audio_differs", "the audio is not that of the receipt")
    damaged = damaged_blocks(digest.blocks, blocks)
    shown = ", ".join(map(str, damaged[:10])) + (", …" if len(damaged) > 10 else "")
    text = f"{len(damaged)} of {len(blocks) // 32} blocks differ: {shown}"
    return Problem("audio_differs", text, damaged)
