"""Decodes the audio of a call: events with encoded audio in, the same events with PCM out."""

import msgspec

from api.audio import byte_order, g711
from api.dialects.events import Audio, Begin

SAMPLE_BYTES = 2


class CallDecoder:
    """Decodes G.711 and 16-bit PCM to signed 16-bit PCM, little endian.

    If the platform does not document the byte order, the first second that is not silence decides.
    Until then audio is held.
    """

    def __init__(self, begin: Begin) -> None:
        self._encoding = begin.encoding
        self._frame_bytes = SAMPLE_BYTES * begin.width
        self._second_bytes = begin.sample_rate * SAMPLE_BYTES
        self._rests = [b""] * len(begin.tracks)  # incomplete frames of a stream without timestamps
        self._held: list[Audio] = []
        self._held_bytes = 0
        self._is_big_endian: bool | None = None

    def decode(self, audio: Audio) -> list[Audio]:
        """Return the audio that is decoded now, in the order of arrival."""
        if self._encoding in {"mulaw", "alaw"}:
            return [self._framed(audio, g711.decode(self._encoding, audio.data))]
        if self._encoding == "l16" or self._is_big_endian is False:
            return [self._framed(audio, audio.data)]
        if self._is_big_endian:
            return [self._framed(audio, byte_order.swap(audio.data))]
        if not self._held and not any(audio.data):
            return [self._framed(audio, audio.data)]  # silence is the same in both orders
        self._held.append(audio)
        self._held_bytes += len(audio.data)
        return self.flush() if self._held_bytes >= self._second_bytes else []

    def flush(self) -> list[Audio]:
        """Return the audio that was held."""
        if not self._held:
            return []
        held, self._held = self._held, []
        samples = (each.data[: len(each.data) // SAMPLE_BYTES * SAMPLE_BYTES] for each in held)
        self._is_big_endian = byte_order.is_big_endian(b"".join(samples))
        return [decoded for each in held for decoded in self.decode(each)]

    def _framed(self, audio: Audio, pcm: bytes | bytearray) -> Audio:
        """Return ``audio`` with the whole frames of ``pcm``."""
        if audio.frame is None and (rest := self._rests[audio.track]):
            pcm = rest + bytes(pcm)
        whole = len(pcm) - len(pcm) % self._frame_bytes
        if whole < len(pcm):
            if audio.frame is None:
                self._rests[audio.track] = bytes(pcm[whole:])
            pcm = pcm[:whole]
        elif audio.frame is None:
            self._rests[audio.track] = b""
        return msgspec.structs.replace(audio, data=pcm)
