"""Send audio in real time: by its bytes if their duration is known, else by its progress."""

import asyncio
from collections.abc import AsyncIterator, Callable

_PIECES_PER_SECOND = 10
_PROBE_SECONDS = 0.02
_FIRST_BYTES_PER_SECOND = 2048  # 16 kbit/s, doubled every second until the rate is known
_MAX_DOUBLINGS = 11
_RATE_KNOWN_SECONDS = 1
_MIN_MEASURED_SECONDS = 2

Clock = Callable[[], float]


async def pace_by_bytes(
    chunks: AsyncIterator[bytes], bytes_per_second: int, *, clock: Clock | None = None
) -> AsyncIterator[bytes]:
    """Yield the same bytes in real time, ten pieces per second."""
    clock = clock or asyncio.get_running_loop().time
    started_at, sent_bytes = clock(), 0
    async for piece in _cut(chunks, lambda: max(bytes_per_second // _PIECES_PER_SECOND, 1)):
        sent_bytes += len(piece)
        await asyncio.sleep(started_at + sent_bytes / bytes_per_second - clock())
        yield piece


async def pace_by_progress(
    chunks: AsyncIterator[bytes], recorded_seconds: Callable[[], float]
) -> AsyncIterator[bytes]:
    """Yield the same bytes at the pace at which ``recorded_seconds`` grows with them.

    Only a decoder knows the duration of compressed audio, and the service has one: it says with
    every acknowledgement how much it has recorded. The bytes of a second follow from that, and are
    corrected all the time. Until there is audio, because in front of it are headers and pictures
    and a decoder that starts, the pace is slow and doubles every second; then it catches up.
    """
    pace = _Pace(recorded_seconds, asyncio.get_running_loop().time)
    async for piece in _cut(chunks, lambda: pace.piece_bytes):
        await asyncio.sleep(pace.wait_seconds())
        pace.sent_bytes += len(piece)
        yield piece


class _Pace:
    """How large the next piece is and when it is due."""

    def __init__(self, recorded_seconds: Callable[[], float], clock: Clock) -> None:
        self.sent_bytes = 0
        self._recorded_seconds = recorded_seconds
        self._clock = clock
        self._started_at = clock()
        self._first: tuple[float, int] | None = None  # seconds and bytes when audio appeared
        self._seen_seconds = 0.0
        self._seen_bytes = 0  # that were sent when the recorded duration last grew

    @property
    def piece_bytes(self) -> int:
        if not self._is_rate_known:
            elapsed_seconds = self._clock() - self._started_at
            bytes_per_second = _FIRST_BYTES_PER_SECOND * 2 ** min(elapsed_seconds, _MAX_DOUBLINGS)
            return max(int(bytes_per_second * _PROBE_SECONDS), 1)
        return max(int(self._bytes_per_second / _PIECES_PER_SECOND), 1)

    def wait_seconds(self) -> float:
        """Return how long to wait before the next piece."""
        recorded_seconds = self._recorded_seconds()
        if recorded_seconds > self._seen_seconds:
            self._seen_seconds, self._seen_bytes = recorded_seconds, self.sent_bytes
            self._first = self._first or (recorded_seconds, self.sent_bytes)
        if not self._is_rate_known:
            return max(_PROBE_SECONDS, self._started_at + self._seen_seconds - self._clock())
        ahead_seconds = (self.sent_bytes - self._seen_bytes) / self._bytes_per_second
        due_at = self._started_at + self._seen_seconds + ahead_seconds
        return max(due_at - self._clock(), 0)

    @property
    def _is_rate_known(self) -> bool:
        return self._seen_seconds >= _RATE_KNOWN_SECONDS

    @property
    def _bytes_per_second(self) -> float:
        """The rate since there is audio: what is in front of it, and in the decoder, counts not."""
        first_seconds, first_bytes = self._first or (0.0, 0)
        measured_seconds = self._seen_seconds - first_seconds
        if measured_seconds < _MIN_MEASURED_SECONDS:
            return max(self._seen_bytes, 1) / self._seen_seconds
        return max(self._seen_bytes - first_bytes, 1) / measured_seconds


async def _cut(chunks: AsyncIterator[bytes], size_bytes: Callable[[], int]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        start = 0
        while start < len(chunk):
            end = start + size_bytes()
            yield chunk[start:end]
            start = end
