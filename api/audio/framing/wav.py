"""The framer of WAVs that ffmpeg reads itself, such as ADPCM or six channels: finds their end."""

from collections.abc import Iterator

from api.audio.pcm import PcmFramer
from storage.pcm import Buffer


class WavFramer:
    """Implements `api.audio.framing.framer.Framer`: passes a WAV on as it arrives."""

    skipped_bytes = 0

    def __init__(self, data_bytes: int) -> None:
        """Frame a WAV; its header and the audio behind it have ``data_bytes`` bytes."""
        self._chunks = PcmFramer(1, data_bytes)

    @property
    def finds_files(self) -> bool:
        return not self._chunks.has_audio_left

    @property
    def next_file(self) -> bytes | None:
        return self._chunks.next_file

    def restart(self) -> None:
        """Return None: without its beginning it cannot be decoded."""

    @property
    def unframed(self) -> bytes:
        return self._chunks.undecided

    def feed(self, data: Buffer) -> Iterator[Buffer]:
        undecided = self._chunks.undecided
        self._chunks.feed(data)
        rest = self._chunks.undecided if self.next_file is None else self.next_file
        whole = undecided + bytes(data)
        yield whole[: len(whole) - len(rest)]

    def cut(self) -> None:
        """Do nothing: ffmpeg decodes every whole sample."""

    def finish(self) -> Iterator[Buffer]:
        yield self._chunks.undecided
