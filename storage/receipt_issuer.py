"""Makes and signs the receipts of sessions that are completed."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from storage import receipt
from storage.digests import SessionDigests
from storage.manifest import Manifest
from storage.receipt import Receipt, digested

if TYPE_CHECKING:
    from storage.receipt_key import ReceiptKey

logger = logging.getLogger(__name__)


class ReceiptIssuer:
    """Issues the receipts of one service."""

    def __init__(self, software: str, key: "Callable[[], ReceiptKey | None]") -> None:
        """``key`` returns the key that signs, None if there is none.

        If it raises ``OSError`` or ``ValueError``, receipts are not signed, and the log says so.
        """
        self._software = software
        self._key = key

    def with_receipt(
        self, manifest: Manifest, digests: SessionDigests, timeline_digest: str | None = None
    ) -> Manifest:
        """Return the manifest of a completed session with its receipt. Block."""
        inputs = digests.inputs()
        times = msgspec.to_builtins([manifest.created_at, manifest.completed_at])
        key = self._signing_key(manifest.session_id)
        issued = Receipt(
            session_id=manifest.session_id,
            software=self._software,
            created_at=times[0],
            completed_at=times[1],
            sample_rate=manifest.sample_rate,
            channels=manifest.channels,
            chunk_count=manifest.chunk_count,
            frames=manifest.frames,
            audio=digested(digests.pcm),
            inputs=None if inputs is None else tuple(map(digested, inputs)),
            inputs_unknown=digests.unknown or None,
            warnings=manifest.warnings,
            warning_count=manifest.warning_count,
            timeline_digest=timeline_digest,
            kid=None if key is None else key.kid,
        )
        if key is not None:
            signature = key.sign(receipt.canonical(issued)).hex()
            issued = msgspec.structs.replace(issued, signature=signature)
        return msgspec.structs.replace(manifest, receipt=issued)

    def _signing_key(self, session_id: str) -> "ReceiptKey | None":
        try:
            return self._key()
        except (OSError, ValueError) as error:
            logger.error("%s: the receipt is not signed: error=%s", session_id, error)  # noqa: TRY400
            return None


def unsigned(software: str) -> ReceiptIssuer:
    """Return an issuer without a key."""
    return ReceiptIssuer(software, lambda: None)
