"""Damage, swapped files and forged receipts are found."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import msgspec
import pytest

from storage import receipt, timeline, wav
from storage.block_digest import BLOCK_BYTES
from storage.checkpoint import Checkpoint
from storage.manifest import Manifest
from storage.pcm import PcmFormat
from storage.receipt import Receipt
from storage.receipt_issuer import ReceiptIssuer
from storage.verification import Problem, check_audio, check_receipt, check_timeline
from tests.audio import pcm
from tests.storage.conftest import new_manifest
from tests.storage.test_receipt_issuer import KEY, digests_of

AUDIO = pcm(BLOCK_BYTES + 500)
FILE = wav.header(PcmFormat(16000, 1), len(AUDIO)) + AUDIO
DIGESTS = digests_of(AUDIO)
BLOCKS = DIGESTS.pcm.blocks


class Bytes:
    def __init__(self, data: bytes) -> None:
        self.size_bytes = len(data)
        self._data = data

    async def read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        for at in range(start, stop, 300_000):
            yield self._data[at : min(stop, at + 300_000)]


def issued(**fields: object) -> tuple[Manifest, Receipt]:
    """Return a manifest and its receipt, of which ``fields`` were changed after it was signed."""
    manifest = new_manifest().completed(Checkpoint(3, len(AUDIO)), datetime(2026, 1, 2, tzinfo=UTC))
    manifest = ReceiptIssuer("sercuescribe 1", lambda: KEY).with_receipt(manifest, DIGESTS)
    assert manifest.receipt is not None
    return manifest, msgspec.structs.replace(manifest.receipt, **fields)


async def problems(data: bytes, blocks: bytes = BLOCKS) -> list[Problem]:
    return await check_audio(Bytes(data), issued()[1], blocks)


async def test_an_intact_recording_has_no_problem() -> None:
    manifest, found = issued()
    assert check_receipt(manifest, found, [KEY.public]) == []
    assert await problems(FILE) == []


@pytest.mark.parametrize(("at", "block"), [(80, 0), (80 + BLOCK_BYTES, 1), (len(FILE) - 1, 2)])
async def test_a_flipped_bit_is_found_with_its_block(at: int, block: int) -> None:
    damaged = bytearray(FILE)
    damaged[at] ^= 4
    (problem,) = await problems(bytes(damaged))
    assert (problem.code, problem.blocks) == ("audio_differs", [block])
    (problem,) = await problems(bytes(damaged), b"other digests")
    assert (problem.code, problem.blocks) == ("audio_differs", [])


async def test_a_changed_header_is_found() -> None:
    for at in range(80):
        damaged = bytearray(FILE)
        damaged[at] ^= 1
        assert [each.code for each in await problems(bytes(damaged))] == ["header_differs"]


def test_a_missing_timeline_and_that_of_another_session_are_found() -> None:
    found = issued(timeline_digest=timeline.digest(b"{}"))[1]
    assert check_timeline(found, b"{}") == []
    assert [each.code for each in check_timeline(found, b"")] == ["timeline_differs"]
    assert [each.code for each in check_timeline(found, b"[]")] == ["timeline_differs"]
    assert check_timeline(issued()[1], b"") == []  # of a release without timelines


@pytest.mark.parametrize("size_bytes", [0, 79, 80, len(FILE) - 1])
async def test_a_cut_tail_is_found(size_bytes: int) -> None:
    codes = [each.code for each in await problems(FILE[:size_bytes])]
    assert codes[0] == "too_short"
    assert "audio_differs" in codes


async def test_more_audio_than_there_was_is_found() -> None:
    assert [each.code for each in await problems(FILE + b"\0\0")] == ["too_long"]


async def test_the_audio_of_another_session_is_found() -> None:
    other = FILE[:80] + pcm(len(AUDIO) // 2, seed=9)
    assert [each.code for each in await problems(other)] == ["audio_differs"]


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({"chunk_count": 4}, ["receipt_differs", "bad_signature"]),
        ({"software": "another"}, ["bad_signature"]),
        ({"inputs": None}, ["bad_signature"]),
        ({"kid": "0" * 64}, ["unknown_key"]),
        ({"signature": "0" * 128}, ["bad_signature"]),
        ({"signature": None}, ["unsigned"]),
    ],
)
def test_a_forged_receipt_is_found(fields: dict[str, object], codes: list[str]) -> None:
    manifest, found = issued(**fields)
    assert [each.code for each in check_receipt(manifest, found, [KEY.public])] == codes


def test_the_receipt_of_another_session_is_found() -> None:
    manifest, _ = issued()
    _, other = issued(session_id="019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b")
    problem, *_ = check_receipt(manifest, other, [KEY.public])
    assert problem.code == "receipt_differs"
    assert receipt.digest(other) != receipt.digest(issued()[1])
