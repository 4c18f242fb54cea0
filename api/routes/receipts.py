"""The public keys of receipts."""

from litestar import get

from api.access.receipt_keys import ReceiptKeys
from api.routes.request import Injected
from api.wire.messages import KeyDocument
from api.wire.openapi import errors
from storage import threads

KEYS_PATH = "/.well-known/sercuescribe-receipt-keys.json"


@get(
    KEYS_PATH,
    tags=["system"],
    operation_id="getReceiptKeys",
    response_description="The public keys, the current one first",
    responses=errors(),
    summary="Get the public keys that sign receipts",
)
async def receipt_keys(receipt_keys: Injected[ReceiptKeys]) -> KeyDocument:
    return await threads.reading.run(receipt_keys.document)
