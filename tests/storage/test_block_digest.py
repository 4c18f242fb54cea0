"""The digest of blocks is that of the definition, however the bytes are cut."""

import hashlib
import random

from storage.block_digest import BLOCK_BYTES, BlockDigest, damaged_blocks

DATA = random.Random(1).randbytes(2 * BLOCK_BYTES + 1000)


def by_definition(data: bytes) -> str:
    starts = range(0, len(data), BLOCK_BYTES)
    digests = [hashlib.sha256(data[start : start + BLOCK_BYTES]).digest() for start in starts]
    return hashlib.sha256(b"".join(digests)).hexdigest()


def digest_of(data: bytes, piece: int = 100_000) -> BlockDigest:
    digest = BlockDigest()
    for start in range(0, len(data), piece):
        digest.update(data[start : start + piece])
    return digest


def test_the_digest_is_that_of_the_definition() -> None:
    for length in (0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, len(DATA)):
        for piece in (70_001, 3 * BLOCK_BYTES):
            assert digest_of(DATA[:length], piece).hexdigest() == by_definition(DATA[:length])


def test_a_digest_continues_at_its_last_whole_block() -> None:
    first = digest_of(DATA)
    second = BlockDigest()
    second.restore(first.whole_from(0))
    assert second.size_bytes == 2 * BLOCK_BYTES
    second.update(DATA[2 * BLOCK_BYTES :])
    assert second.hexdigest() == first.hexdigest()


def test_a_copy_has_a_life_of_its_own() -> None:
    first = digest_of(DATA[:1000])
    second = first.copy()
    first.update(b"more")
    assert second.hexdigest() == by_definition(DATA[:1000])


def test_the_damaged_blocks_are_named() -> None:
    altered = bytearray(DATA)
    altered[BLOCK_BYTES + 5] ^= 1
    expected = digest_of(DATA).blocks
    assert damaged_blocks(digest_of(bytes(altered)).blocks, expected) == [1]
    assert damaged_blocks(digest_of(DATA[:BLOCK_BYTES]).blocks, expected) == [1, 2]
