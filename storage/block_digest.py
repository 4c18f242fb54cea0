"""The digest of a long sequence of bytes: SHA-256 over the SHA-256 digests of its blocks.

Blocks have 1 MiB, the last one may be shorter. Unlike a single SHA-256, it can be continued after
a crash at the last whole block, and the digests of the blocks show where a copy differs.
"""

import hashlib

from storage.pcm import Buffer

BLOCK_BYTES = 1024 * 1024
_DIGEST_BYTES = 32


class BlockDigest:
    """The digest of the bytes that were added, in any pieces."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._whole = bytearray()  # the digests of whole blocks
        self._partial = hashlib.sha256()

    def update(self, data: Buffer) -> None:
        view = memoryview(data)
        while view:
            part = view[: BLOCK_BYTES - self.size_bytes % BLOCK_BYTES]
            self._partial.update(part)
            self.size_bytes += len(part)
            if not self.size_bytes % BLOCK_BYTES:
                self._whole += self._partial.digest()
                self._partial = hashlib.sha256()
            view = view[len(part) :]

    def copy(self) -> "BlockDigest":
        """Return another one with the same bytes so far."""
        other = BlockDigest()
        other.size_bytes, other._whole = self.size_bytes, self._whole.copy()
        other._partial = self._partial.copy()
        return other

    def restore(self, whole: Buffer) -> None:
        """Continue after the blocks whose digests are ``whole``."""
        self._whole, self._partial = bytearray(whole), hashlib.sha256()
        self.size_bytes = len(whole) // _DIGEST_BYTES * BLOCK_BYTES

    def whole_from(self, block: int) -> bytes:
        """Return the digests of whole blocks from number ``block`` on, counted from 0."""
        return bytes(self._whole[block * _DIGEST_BYTES :])

    @property
    def whole_blocks(self) -> int:
        return self.size_bytes // BLOCK_BYTES

    @property
    def blocks(self) -> bytes:
        """Return the digests of all blocks, 32 bytes each."""
        last = self._partial.digest() if self.size_bytes % BLOCK_BYTES else b""
        return bytes(self._whole) + last

    def hexdigest(self) -> str:
        return hashlib.sha256(self.blocks).hexdigest()


def damaged_blocks(blocks: bytes, expected: bytes) -> list[int]:
    """Return the numbers of the blocks, from 0, whose digests differ or which one side lacks."""
    length = max(len(blocks), len(expected))
    return [
        start // _DIGEST_BYTES
        for start in range(0, length, _DIGEST_BYTES)
        if blocks[start : start + _DIGEST_BYTES] != expected[start : start + _DIGEST_BYTES]
    ]
