"""Merges the tracks of a call into the channels of its recording, by the time of the platform.

Messages that arrive late are put in their place for half a second. Where no audio arrived there is
silence. The time of this machine never decides where audio belongs: it only limits the silence that
wrong timestamps can cause.
"""

import array
import bisect
import collections
from collections.abc import Iterator

import msgspec

from api.dialects.events import Audio
from api.dialects.pcm import SAMPLE_BYTES

# Audio that arrives later than this is lost; that of the other tracks waits so long.
_REORDER_SECONDS = 0.5

# Timestamps are whole milliseconds, and tremble. A difference below half a message is no gap, and
# silence there would sound like a click.
_MAX_JITTER_SECONDS = 0.01

# A timestamp that is further back belongs to another clock: the platform has begun to count anew.
_MAX_LATE_SECONDS = 10.0

# All silence of a call, in gaps of the maximum length, beyond the time that it has lasted.
_MAX_GAPS = 10

_MAX_PENDING = 256  # pieces that wait for an earlier one

_MIN_BLOCK_SECONDS = 0.1
_BLOCK_BYTES = 64 * 1024

# Instead of the frames of a recording that another stream of the same call continues.
ANOTHER_STREAM = 2**62

_MAX_NOTICES = 5  # each gap has one of its own, up to here


class Notice(msgspec.Struct, frozen=True):
    """What of the call is not recorded, or not where the platform says."""

    code: str
    text: str


class _Track:
    """The audio of one track that is not taken yet."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.pcm = bytearray()  # from the first frame that is not taken to `end`
        self.end = 0
        self.shift = 0  # from the platform's time to frames of the recording
        self.is_placed = False  # `shift` is known
        self.number: int | None = None  # of the last piece in `pcm`
        self.silence = 0  # frames at the end of `pcm`
        self.pending: list[tuple[int, int, bytes, int | None]] = []  # begin, order, PCM, number
        self.pending_frames = 0  # of the last pending piece

    @property
    def newest(self) -> int:
        """Return the frame after the last one that has arrived."""
        if not self.pending:
            return self.end
        begin, _, _, _ = self.pending[-1]
        return max(self.end, begin + self.pending_frames)


class Tracks:
    """The audio of one connection, from its first frame."""

    def __init__(
        self,
        names: tuple[str, ...],
        *,
        width: int,
        sample_rate: int,
        max_gap_seconds: float,
        continued_at: int | None = None,
    ) -> None:
        """Create tracks, each with ``width`` interleaved channels.

        ``continued_at``: the connection continues a call whose recording has so many frames. If its
        first timestamp is not before them, the platform's time goes on, and what is between is a
        gap; else it has begun anew.
        """
        self._tracks = [_Track(name) for name in names]
        self._frame_bytes = SAMPLE_BYTES * width
        self._rate = sample_rate
        self._max_gap = int(max_gap_seconds * sample_rate)
        self._reorder = int(_REORDER_SECONDS * sample_rate)
        self._jitter = int(_MAX_JITTER_SECONDS * sample_rate)
        self._max_late = int(_MAX_LATE_SECONDS * sample_rate)
        self._min_block = int(_MIN_BLOCK_SECONDS * sample_rate)
        self._continued_at = continued_at
        self._taken = 0  # frames of the recording
        self._silence = 0  # frames in which no track has audio
        self._order = 0
        self._notices: list[Notice] = []
        self._counts: collections.Counter[str] = collections.Counter()
        self._lost_frames: collections.Counter[str] = collections.Counter()

    def add(self, audio: Audio, *, elapsed_seconds: float) -> Iterator[bytes]:
        """Add PCM; yield the interleaved PCM that no later message can change.

        ``elapsed_seconds`` is how long the call has lasted. Take all of it before the next call.
        """
        track = self._tracks[audio.track]
        if audio.data:
            self._place(track, audio, elapsed_seconds)
        newest = max(each.newest for each in self._tracks)
        is_full = len(track.pending) > _MAX_PENDING
        horizon = newest if is_full else newest - self._reorder
        for each in self._tracks:
            self._merge(each)
        decided = max(self._ready(horizon), horizon)
        if is_full or decided - self._taken >= self._min_block:
            yield from _joined(self._take(horizon))

    def skip(self, frames: int, cause: str, *, elapsed_seconds: float) -> Iterator[bytes]:
        """Yield all audio that was added, then ``frames`` of silence, at most a maximum gap."""
        yield from self.flush()
        kept = min(frames, self._max_gap, self._silence_left(elapsed_seconds))
        self._notice("call_gap", f"{kept / self._rate:.2f} s of silence: audio was {cause}", frames)
        self._silence += kept
        for track in self._tracks:
            track.shift -= frames - kept
        yield from self._silent(self._taken + kept)
        for track in self._tracks:
            track.silence = 0  # it is told

    def flush(self) -> Iterator[bytes]:
        """Yield everything that was added."""
        yield from _joined(self._take(max(each.newest for each in self._tracks)))

    def take_notices(self) -> list[Notice]:
        """Return the notices since the last call."""
        notices, self._notices = self._notices, []
        return notices

    def summary(self) -> list[Notice]:
        """Return what :meth:`take_notices` has left out, because there was too much of it."""
        return [
            Notice(
                code,
                f"{count - _MAX_NOTICES} more of these, "
                f"in all {self._lost_frames[code] / self._rate:.2f} s",
            )
            for code, count in self._counts.items()
            if count > _MAX_NOTICES
        ]

    def _place(self, track: _Track, audio: Audio, elapsed_seconds: float) -> None:
        """Put the audio among what is pending, at its place."""
        frames = len(audio.data) // self._frame_bytes
        begin = track.newest if audio.frame is None else self._begin_of(track, audio.frame)
        if abs(begin - track.newest) < self._jitter:
            begin = track.newest
        newest = max(each.newest for each in self._tracks)
        if begin > newest:
            begin -= self._cut(begin - newest, elapsed_seconds)
        elif begin < track.end - self._max_late:
            self._notice("call_time_jumped", "timestamps have jumped back: audio follows", 0)
            track.shift += track.newest - begin
            begin = track.newest
        late = max(0, track.end - begin)
        if late:
            lost = min(late, frames)
            self._notice(
                "call_audio_late",
                f"{lost / self._rate:.2f} s of track {track.name} came twice or too late",
                lost,
            )
            if late >= frames:
                return
        pcm = bytes(audio.data[late * self._frame_bytes :])
        self._order += 1
        piece = (begin + late, self._order, pcm, audio.number)
        bisect.insort(track.pending, piece)
        track.pending_frames = len(track.pending[-1][2]) // self._frame_bytes

    def _begin_of(self, track: _Track, frame: int) -> int:
        """Return the frame of the recording at the platform's ``frame``."""
        if not track.is_placed:
            placed = next((each for each in self._tracks if each.is_placed), None)
            track.is_placed = True
            track.shift = self._first_shift(frame) if placed is None else placed.shift
        return frame + track.shift

    def _first_shift(self, frame: int) -> int:
        """Return how far the time of the platform is from the recording, which begins with it.

        A time that does not begin near zero is not that of the stream.
        """
        if self._continued_at is not None:
            return -self._continued_at if frame >= self._continued_at else -frame
        return -frame if frame > self._max_late else 0

    def _cut(self, gap: int, elapsed_seconds: float) -> int:
        """Return how many frames of a gap are too many, and count the others as silence."""
        kept = min(gap, self._max_gap, self._silence_left(elapsed_seconds))
        self._silence += kept
        cut = gap - kept
        if cut:
            for each in self._tracks:  # so that their places relative to each other stay
                each.shift -= cut
            self._notice(
                "call_time_jumped",
                f"timestamps have jumped by {gap / self._rate:.2f} s: "
                f"{kept / self._rate:.2f} s of silence (MAX_GAP_SECONDS)",
                0,
            )
        return cut

    def _silence_left(self, elapsed_seconds: float) -> int:
        most = _MAX_GAPS * self._max_gap + int(elapsed_seconds * self._rate)
        return max(0, most - self._silence)

    def _merge(self, track: _Track) -> None:
        """Append the pieces of ``track`` that nothing is missing in front of."""
        is_quiet = len(self._tracks) > 1  # platforms send no silence of a track beside another one
        while track.pending and track.pending[0][0] <= track.end:
            begin, _, pcm, number = track.pending.pop(0)
            overlap = (track.end - begin) * self._frame_bytes
            if track.silence and not (is_quiet and _follows(track.number, number)):
                self._notice(
                    "call_gap",
                    f"{track.silence / self._rate:.2f} s of track {track.name} did not arrive "
                    f"before {track.end / self._rate:.2f} s",
                    track.silence,
                )
            if overlap >= len(pcm):
                continue
            track.pcm += memoryview(pcm)[overlap:] if overlap else pcm
            track.end += (len(pcm) - overlap) // self._frame_bytes
            track.silence, track.number = 0, number

    def _ready(self, horizon: int) -> int:
        """Return the frame up to which no message can change the audio."""
        return min(_certain(track, horizon) for track in self._tracks)

    def _take(self, horizon: int) -> Iterator[bytes]:
        """Yield the audio before ``horizon``, and what is certain behind it."""
        while True:
            for track in self._tracks:
                self._merge(track)
            ready = self._ready(horizon)
            if ready <= self._taken:
                return
            loudest = max(track.end for track in self._tracks)
            if loudest <= self._taken:
                yield from self._silent(ready)
            else:
                yield self._interleaved(min(ready, loudest))

    def _silent(self, end: int) -> Iterator[bytes]:
        """Yield silence up to frame ``end``; no track has audio there."""
        for track in self._tracks:
            track.silence += end - track.end
            track.end = end
        left = (end - self._taken) * self._frame_bytes * len(self._tracks)
        self._taken = end
        while left:
            size = min(left, _BLOCK_BYTES)
            left -= size
            yield bytes(size)

    def _interleaved(self, end: int) -> bytes:
        """Return the frames up to ``end`` of all tracks; silence where a track has none."""
        size = (end - self._taken) * self._frame_bytes
        parts = []
        for track in self._tracks:
            if (missing := size - len(track.pcm)) > 0:
                track.pcm += bytes(missing)
                track.silence += missing // self._frame_bytes
                track.end = end
            parts.append(bytes(track.pcm[:size]))
            del track.pcm[:size]
        self._taken = end
        if len(parts) == 1:
            return parts[0]
        merged = array.array("H", bytes(size * len(parts)))
        for channel, part in enumerate(parts):
            merged[channel :: len(parts)] = array.array("H", part)
        return merged.tobytes()

    def _notice(self, code: str, text: str, lost_frames: int) -> None:
        self._counts[code] += 1
        self._lost_frames[code] += lost_frames
        if self._counts[code] <= _MAX_NOTICES:
            self._notices.append(Notice(code, text))


def _joined(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Join small blocks, because each one costs a write."""
    joined = bytearray()
    for block in blocks:
        joined += block
        if len(joined) >= _BLOCK_BYTES:
            yield bytes(joined)
            joined.clear()
    if joined:
        yield bytes(joined)


def _certain(track: _Track, horizon: int) -> int:
    """Return the frame up to which the audio of ``track`` is certain."""
    if track.end >= horizon:
        return track.end
    return min(horizon, track.pending[0][0]) if track.pending else horizon


def _follows(last: int | None, number: int | None) -> bool:
    """Return whether no message was lost between the two."""
    return number is not None and (last is None or number == last + 1)
