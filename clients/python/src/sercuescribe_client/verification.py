"""Compare what a client has sent with the receipt of the service.

The digest of an input is the SHA-256 over the concatenated SHA-256 digests of its blocks of 1 MiB,
the last one shorter.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

_BLOCK_BYTES = 2**20
_WAV_HEADER_BYTES = 80  # of all recordings


class SentInput:
    """The bytes that were sent so far, as their digest. ``add`` takes microseconds per chunk."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._blocks = hashlib.sha256()
        self._block = hashlib.sha256()

    def add(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        while view:
            part = view[: _BLOCK_BYTES - self.size_bytes % _BLOCK_BYTES]
            self._block.update(part)
            self.size_bytes += len(part)
            if not self.size_bytes % _BLOCK_BYTES:
                self._blocks.update(self._block.digest())
                self._block = hashlib.sha256()
            view = view[len(part) :]

    def hexdigest(self) -> str:
        blocks = self._blocks.copy()
        if self.size_bytes % _BLOCK_BYTES:
            blocks.update(self._block.digest())
        return blocks.hexdigest()


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether the service received what the client sent; ``reason`` says what differs, or why not.

    The client does not check the signature of the receipt.
    """

    result: Literal["verified", "differs", "unknown"]
    reason: str = ""


def receipt_digest(receipt: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the canonical JSON (RFC 8785) of a receipt without its signature.

    Its numbers are integers and its keys ASCII, so sorted keys are all that the RFC asks for.
    """
    signed = {name: value for name, value in receipt.items() if name != "signature"}
    text = json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def compare_file(path: Path, receipt: Mapping[str, Any] | None) -> Verification:
    """Compare the audio of a downloaded WAV with a receipt. Raises ``OSError``."""
    if receipt is None:
        return Verification("unknown", "the service has made no receipt")
    audio = SentInput()
    with path.open("rb") as file:
        file.seek(_WAV_HEADER_BYTES)
        while block := file.read(_BLOCK_BYTES):
            audio.add(block)
    expected = receipt["audio"]
    if audio.size_bytes != expected["bytes"]:
        text = f"the file has {audio.size_bytes} bytes of audio, the recording {expected['bytes']}"
        return Verification("differs", text)
    if audio.hexdigest() != expected["digest"]:
        return Verification("differs", "the file has other audio than the recording")
    return Verification("verified")


def compare(
    sent: SentInput, receipt: Mapping[str, Any] | None, announced_digest: str | None
) -> Verification:
    """Compare all that was sent to a session with its receipt.

    ``announced_digest`` is that of the final message; None if it was lost.
    """
    if receipt is None:
        return Verification("unknown", "the service has made no receipt")
    if announced_digest not in {None, receipt_digest(receipt)}:
        return Verification("differs", "the receipt is not the one that the service announced")
    inputs = receipt["inputs"]
    if inputs is None:
        return Verification("unknown", str(receipt["inputs_unknown"]))
    received = inputs[0] if inputs else {"bytes": 0, "digest": SentInput().hexdigest()}
    if len(inputs) > 1:
        return Verification("unknown", f"the session has {len(inputs)} input streams")
    if received["bytes"] != sent.size_bytes:
        text = f"the service has received {received['bytes']} bytes of {sent.size_bytes}"
        return Verification("differs", text)
    if received["digest"] != sent.hexdigest():
        return Verification("differs", "the service has received other bytes")
    return Verification("verified")
