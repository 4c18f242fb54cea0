"""P6, bounded: hostile clients with many connections do not affect a recording."""

from collections.abc import Callable

import pytest

from tests.audio import cut, pcm
from tests.background_load import WEBM, Source, overload
from tests.bad_clients import BadClient, NeverReads
from tests.bad_handshakes import InvalidRequests, StalledHandshakes
from tests.service import Service

pytestmark = [pytest.mark.long, pytest.mark.load]

_CHUNK_SECONDS = 0.02
_CHUNK_BYTES = int(48_000 * _CHUNK_SECONDS) * 2
_HANDSHAKE_TIMEOUT_SECONDS = 5

# The memory that hostile connections may cost, in addition to that of two recordings, and the
# descriptors in all: a thousand incomplete requests, or two hundred sessions.
_MAX_GROWTH_BYTES = 60_000_000
_MAX_DESCRIPTORS = 1200


@pytest.mark.parametrize(
    "bad_client",
    [StalledHandshakes(), InvalidRequests(), NeverReads(200, target_bytes=400_000_000)],
    ids=["10,000 stall", "1,000 send garbage", "200 never read"],
)
async def test_hostile_connections_neither_affect_a_recording_nor_leak(
    start_service: Callable[..., Service], bad_client: BadClient
) -> None:
    service = start_service(
        handshake_timeout_seconds=_HANDSHAKE_TIMEOUT_SECONDS,
        session_idle_timeout_seconds=1,
        max_concurrent_sessions=10_000,
    )
    raw = pcm(48_000)
    live = [Source(list(cut(raw, _CHUNK_BYTES)), raw), Source.webm(list(cut(WEBM, 700)))]
    peaks = await overload(service, bad_client, live, chunk_seconds=_CHUNK_SECONDS)
    assert peaks.growth_bytes < _MAX_GROWTH_BYTES
    assert peaks.descriptors < _MAX_DESCRIPTORS
