"""P6, bounded: a client that overloads the service does not affect others and leaks nothing."""

from collections.abc import Callable

import pytest

from tests.audio import cut, cut_anywhere, pcm
from tests.background_load import WEBM, Source, overload
from tests.bad_clients import BadClient, LargestChunks, NeverReads, ReconnectLoop
from tests.service import Service

pytestmark = [pytest.mark.long, pytest.mark.load]

# The memory that a bad client may cost, in addition to that of ordinary sessions.
_MAX_GROWTH_BYTES = 100_000_000
_MIN_SENT_BYTES = 2 * _MAX_GROWTH_BYTES

_RAW = pcm(100_000)


def ordinary_sessions() -> list[Source]:
    """Return two sessions of raw PCM and two of WebM."""
    raw = [Source(list(cut_anywhere(_RAW, seed=seed, largest=8000)), _RAW) for seed in range(2)]
    return raw + [Source.webm(list(cut(WEBM, 700 + number))) for number in range(2)]


@pytest.mark.parametrize(
    ("bad_client", "min_sent_bytes"),
    [(NeverReads(), _MIN_SENT_BYTES), (LargestChunks(), _MIN_SENT_BYTES), (ReconnectLoop(), 0)],
    ids=["never reads", "chunks of 10 MB", "reconnects in a loop"],
)
async def test_a_bad_client_neither_affects_other_sessions_nor_leaks(
    start_service: Callable[..., Service], bad_client: BadClient, min_sent_bytes: int
) -> None:
    service = start_service(session_idle_timeout_seconds=1, max_concurrent_sessions=10_000)
    peaks = await overload(service, bad_client, ordinary_sessions())
    assert bad_client.sent_bytes >= min_sent_bytes, f"only {bad_client.sent_bytes} bytes were sent"
    assert peaks.growth_bytes < _MAX_GROWTH_BYTES
