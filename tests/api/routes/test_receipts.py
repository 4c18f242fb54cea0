"""The public keys of receipts, and receipts on the wire."""

import hashlib
import json
from collections.abc import Callable

from storage.receipt_key import ReceiptKey
from tests.audio import pcm
from tests.service import Service
from tests.storage.test_block_digest import by_definition

KEYS = "/.well-known/sercuescribe-receipt-keys.json"


async def test_the_final_message_has_the_digest_of_the_receipt_in_the_info(
    service: Service,
) -> None:
    sent = pcm(1000)[:-1]
    async with service.session() as client:
        await client.send(sent)
        assert service.get(f"/api/audio/sessions/{client.session_id}").json()["receipt"] is None
        final = await client.close_session()
    receipt = service.get(f"/api/audio/sessions/{client.session_id}").json()["receipt"]
    assert receipt == service.manifest(client.session_id)["receipt"]
    assert receipt["audio"] == {"bytes": 1998, "digest": by_definition(sent[:1998])}
    assert receipt["inputs"] == [{"bytes": 1999, "digest": by_definition(sent)}]
    assert receipt["kid"] == service.get(KEYS).json()["keys"][0]["kid"]
    del receipt["signature"]
    signed = json.dumps(receipt, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert final["receipt_digest"] == hashlib.sha256(signed.encode()).hexdigest()


async def test_the_keys_of_the_settings_are_shown_the_current_one_first(
    start_service: Callable[..., Service],
) -> None:
    current, retired = ReceiptKey(bytes(32)), ReceiptKey(bytes(range(32)))
    service = start_service(receipt_key="00" * 32, receipt_public_keys=retired.public.hex())
    expected = [
        {"kid": key.kid, "algorithm": "Ed25519", "public_key": key.public.hex()}
        for key in (current, retired)
    ]
    assert service.get(KEYS).json() == {"keys": expected}
    assert not (service.folder / ".receipt-key").exists()
