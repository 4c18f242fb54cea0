"""The receipt of a completed session: what a recording can be checked against, and by whom.

It is signed over its canonical JSON (RFC 8785). Its numbers are integers and its keys ASCII: then
sorted keys, no white space and UTF-8 are all that the RFC asks for.
"""

import hashlib
import json
from typing import Annotated

import msgspec
from msgspec import Meta

from storage.block_digest import BlockDigest
from storage.warning import SessionWarning

VERSION = 1

_Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
_Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class Digested(msgspec.Struct, frozen=True, kw_only=True):
    """So many bytes, and their digest: see `storage.block_digest`."""

    bytes: _Count
    digest: _Digest


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What a session received and recorded.

    ``audio`` is the PCM. ``inputs`` are the input streams as the service received them, in the
    order of their first bytes; null if that is unknown, and ``inputs_unknown`` says why. ``kid``
    is the SHA-256 of the public key in hexadecimal, ``signature`` is Ed25519 (RFC 8032) in
    hexadecimal; both are null if the service has no key.
    """

    version: int = VERSION
    session_id: str
    software: str
    created_at: str
    completed_at: str
    sample_rate: int
    channels: int
    chunk_count: _Count
    frames: _Count
    audio: Digested
    inputs: tuple[Digested, ...] | None = None
    inputs_unknown: str | None = None
    warnings: tuple[SessionWarning, ...] = ()
    warning_count: _Count = 0
    timeline_digest: _Digest | None = None
    kid: _Digest | None = None
    signature: Annotated[str, Meta(pattern=r"^[0-9a-f]{128}$")] | None = None


def canonical(receipt: Receipt) -> bytes:
    """Return the bytes that are signed: all fields but ``signature``."""
    fields = msgspec.to_builtins(receipt)
    del fields["signature"]
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(receipt: Receipt) -> str:
    """Return the SHA-256 of the signed bytes in hexadecimal."""
    return hashlib.sha256(canonical(receipt)).hexdigest()


def digested(found: BlockDigest) -> Digested:
    return Digested(bytes=found.size_bytes, digest=found.hexdigest())
