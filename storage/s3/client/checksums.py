"""Checksums of what is written.

S3 requires one with ``DeleteObjects``, with the configuration of a bucket, and with each write
into a bucket with object lock. Stores differ in those that they know. ``Content-MD5`` is the
oldest one. botocore sends a CRC-32 since 1.36; over HTTPS it sends that behind the body, which
fewer stores accept than a header.
"""

import base64
import hashlib
import io
import zlib
from collections.abc import Callable
from typing import Any, Literal, get_args

from botocore.configprovider import ConstantProvider

from storage import threads

# Which checksum is sent with each write. None is named by "": then botocore decides by
# AWS_REQUEST_CHECKSUM_CALCULATION; if that is not set, Content-MD5 where S3 requires a checksum.
Checksum = Literal["", "md5", "crc32", "sha256"]
CHECKSUMS: tuple[Checksum, ...] = get_args(Checksum)

_DIGESTS: dict[Checksum, tuple[str, Callable[[Any], bytes]]] = {
    "md5": ("Content-MD5", lambda body: hashlib.md5(body, usedforsecurity=False).digest()),
    "crc32": ("x-amz-checksum-crc32", lambda body: zlib.crc32(body).to_bytes(4, "big")),
    "sha256": ("x-amz-checksum-sha256", lambda body: hashlib.sha256(body).digest()),
}
_CALCULATION = "request_checksum_calculation"


def set_default_calculation(session: Any) -> None:
    """Let a botocore session send checksums where required, unless it is configured otherwise."""
    provider = session.get_component("config_store").get_config_provider(_CALCULATION)
    provider.set_default_provider(ConstantProvider("when_required"))


def upload_algorithm(client: Any, checksum: Checksum) -> str | None:
    """Return the algorithm that S3 must know before it gets parts with such checksums."""
    if checksum:
        return checksum.upper() if checksum != "md5" else None
    is_always_sent = client.meta.config.request_checksum_calculation == "when_supported"
    return "CRC32" if is_always_sent else None  # that of botocore


def add_checksums(client: Any, checksum: Checksum) -> None:
    """Send ``checksum`` with every request of a client that can have one."""

    async def add(model: Any, params: Any, **_: Any) -> None:
        if "requestAlgorithmMember" not in model.http_checksum:
            return
        calculation = params["context"]["client_config"].request_checksum_calculation
        is_required = model.http_checksum.get("requestChecksumRequired")
        if checksum or (is_required and calculation == "when_required"):
            await _add(params, checksum or "md5")

    client.meta.events.register("before-call.s3", add)


async def _add(request: Any, checksum: Checksum) -> None:
    """Set the header, and drop what botocore would add."""
    name, digest = _DIGESTS[checksum]
    body = request["body"]
    data = body.getbuffer() if isinstance(body, io.BytesIO) else body
    request["headers"][name] = base64.b64encode(await threads.recording.run(digest, data)).decode()
    request["context"].pop("checksum", None)
