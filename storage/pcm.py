"""PCM as recordings hold it: signed 16-bit little endian, interleaved."""

import msgspec

Buffer = bytes | bytearray | memoryview

SAMPLE_BYTES = 2


class PcmFormat(msgspec.Struct, frozen=True):
    """Signed 16-bit little-endian PCM at a sample rate in Hz and a channel count."""

    sample_rate: int
    channels: int

    @property
    def frame_bytes(self) -> int:
        """Return the bytes of one frame: one sample of every channel."""
        return SAMPLE_BYTES * self.channels

    @property
    def bytes_per_second(self) -> int:
        return self.sample_rate * self.frame_bytes

    def frames(self, pcm_bytes: int) -> int:
        return pcm_bytes // self.frame_bytes

    def seconds(self, pcm_bytes: int) -> float:
        """Return the duration of ``pcm_bytes``, which are whole frames."""
        return pcm_bytes / (self.sample_rate * SAMPLE_BYTES * self.channels)

    def whole_frames(self, pcm_bytes: int) -> int:
        """Return the bytes of the whole frames within ``pcm_bytes``."""
        return pcm_bytes - pcm_bytes % self.frame_bytes
