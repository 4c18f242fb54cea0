"""The client compares what it has sent with the receipt of the service."""

import random
from pathlib import Path
from typing import Any

import pytest

from sercuescribe_client import Client
from sercuescribe_client.verification import SentInput, compare, receipt_digest
from storage.block_digest import BLOCK_BYTES
from tests.audio import cut, pcm, wav
from tests.service import Service
from tests.storage.test_block_digest import by_definition

DATA = random.Random(2).randbytes(BLOCK_BYTES + 77)


def sent(data: bytes = DATA) -> SentInput:
    found = SentInput()
    for start in range(0, len(data), 10_001):
        found.add(data[start : start + 10_001])
    return found


def receipt(**fields: Any) -> dict[str, Any]:
    inputs = [{"bytes": len(DATA), "digest": by_definition(DATA)}]
    return {"inputs": inputs, "inputs_unknown": None, "signature": "00"} | fields


def test_the_digest_of_what_is_sent_is_that_of_the_definition() -> None:
    for length in (0, 1, BLOCK_BYTES, len(DATA)):
        assert sent(DATA[:length]).hexdigest() == by_definition(DATA[:length])


def test_equal_bytes_are_verified() -> None:
    assert compare(sent(), receipt(), receipt_digest(receipt())).result == "verified"
    assert compare(sent(), receipt(), None).result == "verified"
    assert compare(sent(b""), receipt(inputs=[]), None).result == "verified"


@pytest.mark.parametrize(
    ("found", "announced", "result", "reason"),
    [
        (None, None, "unknown", "no receipt"),
        (receipt(), "0" * 64, "differs", "announced"),
        (receipt(inputs=None, inputs_unknown="lost"), None, "unknown", "lost"),
        (receipt(inputs=[{"bytes": 5, "digest": "0"}]), None, "differs", "5 bytes of"),
        (receipt(inputs=[{"bytes": len(DATA), "digest": "0"}]), None, "differs", "other bytes"),
        (receipt(inputs=[{}, {}]), None, "unknown", "2 input streams"),
    ],
)
def test_what_differs_is_told(
    found: dict[str, Any] | None, announced: str | None, result: str, reason: str
) -> None:
    verification = compare(sent(), found, announced)
    assert verification.result == result
    assert reason in verification.reason


async def test_a_recording_of_the_client_is_verified(client: Client) -> None:
    async with client.create(sample_rate=16000) as session:
        for chunk in cut(wav(pcm(5000), sample_rate=16000, after=b"LIST\x02\0\0\0ab"), 999):
            await session.send(chunk)
        await session.close()
    assert session.verification.result == "verified"
    assert (await client.info(session.session_id)).receipt is not None


async def test_a_downloaded_file_is_compared_with_the_receipt(
    service: Service, client: Client, tmp_path: Path
) -> None:
    session_id = await service.record(pcm(2000))
    path = await client.download(session_id, tmp_path)
    assert (await client.verify(session_id, path)).result == "verified"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert (await client.verify(session_id, path)).result == "differs"
    path.write_bytes(path.read_bytes()[:-2])
    assert (await client.verify(session_id, path)).reason.startswith("the file has 3998 bytes")
