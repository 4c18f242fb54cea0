"""How late the audio of a session comes, compared with the wall clock: a pure object.

The lead of a stream is its audio so far minus the time, in seconds; only its changes count. While
audio comes in real time the lead stays about the same, and it falls by the length of a gap. What
is compared is the largest lead so far, because delays only make it smaller. A client that sends
much faster than in real time, as one that uploads a file, is never late: its lead counts only up
to some seconds above that of its first audio.
"""

import msgspec

GAP_SECONDS = 0.5
_MAX_AHEAD_SECONDS = 10.0
_NEVER = float("-inf")


class _Stream(msgspec.Struct):
    """``lead`` is the largest so far, when the recording had ``pcm_bytes``."""

    lead: float
    most: float
    pcm_bytes: int


class Pace:
    """The leads of all streams; ``number`` is the stream that added the last PCM.

    They are computed from the length of the recording, so the lead of a stream is corrected for
    what others have added since its last PCM. While the lead of the stream is from ``low`` to
    ``high``, nothing has to be noted.
    """

    __slots__ = (
        "_is_ended",
        "_most",
        "_streams",
        "high",
        "low",
        "number",
        "seconds_per_byte",
    )

    def __init__(self, bytes_per_second: int) -> None:
        self.seconds_per_byte = 1 / bytes_per_second
        self.number = -1
        self.low = self.high = _NEVER
        self._most = _NEVER
        self._streams: dict[int, _Stream] = {}
        self._is_ended = False

    def restore(self, pcm_bytes: int, written_at: float, numbers: list[int]) -> None:
        """Continue a session whose last audio came at ``written_at``, 0 if that is not known."""
        if not written_at:
            return
        lead = pcm_bytes * self.seconds_per_byte - written_at
        for number in (*numbers, -1):
            self._streams[number] = _Stream(lead, lead + _MAX_AHEAD_SECONDS, pcm_bytes)
        self._load(-1, pcm_bytes)

    def begin(self, number: int, pcm_bytes: int) -> None:
        """Let the new stream ``number`` continue where the last PCM of the session ended."""
        self._save(pcm_bytes)
        if (last := self._streams.get(self.number)) is not None:
            self._streams[number] = msgspec.structs.replace(last)

    def end(self, number: int) -> None:
        """Forget a stream; one that added the last PCM of the session when another one does."""
        if number == self.number:
            self._is_ended = True
        else:
            self._streams.pop(number, None)

    def begin_again(self) -> None:
        """Forget all leads: for some time, nothing was recorded on purpose."""
        self._streams.clear()
        self.low = self.high = self._most = _NEVER

    def switch(self, number: int, pcm_bytes: int) -> None:
        """Let the PCM that follows ``pcm_bytes`` be of stream ``number``."""
        self._save(pcm_bytes)
        if self._is_ended:
            self._streams.pop(self.number, None)
        self._is_ended = False
        self._load(number, pcm_bytes)

    def note(self, lead: float) -> float:
        """Take a ``lead`` that is not from `low` to `high`. Return how late the audio was, or 0."""
        late = self.low + GAP_SECONDS - lead if lead < self.low else 0.0
        if self.high == _NEVER:
            self._most = lead + _MAX_AHEAD_SECONDS
        self.high = min(lead, self._most)
        self.low = self.high - GAP_SECONDS
        if lead > self.high:  # do not come here with every chunk
            self.high = float("inf")
        return late

    def _save(self, pcm_bytes: int) -> None:
        if self.low != _NEVER:
            lead = self.low + GAP_SECONDS
            self._streams[self.number] = _Stream(lead, self._most, pcm_bytes)

    def _load(self, number: int, pcm_bytes: int) -> None:
        self.number = number
        self.low = self.high = self._most = _NEVER
        if (found := self._streams.get(number)) is not None:
            shift = (pcm_bytes - found.pcm_bytes) * self.seconds_per_byte
            self.high, self._most = found.lead + shift, found.most + shift
            self.low = self.high - GAP_SECONDS
