"""The first stage of a stream: the bytes from which its format is detected."""

from api.audio.formats import InputKind
from api.audio.tags import id3_bytes
from storage.pcm import Buffer


class Detection:
    """The stage before the format is known: the bytes received so far, without leading ID3 tags."""

    def __init__(self, declared: InputKind) -> None:
        self.declared = declared
        self.has_input = False
        self.head: bytes | bytearray = b""  # not copied if one chunk has all of it
        self._tried_bytes = 0
        self._tag_left = 0
        self._is_after_tags = False

    def add(self, data: Buffer) -> bool:
        """Add ``data``; return whether to run the detection again.

        Detection runs each time the head has grown by 1/16. Running it for every chunk would make
        its total time quadratic in the length of the header.
        """
        if not self.head:
            self.head = bytes(data)
        else:
            if not isinstance(self.head, bytearray):
                self.head = bytearray(self.head)
            self.head += data
        self.has_input = self.has_input or bool(data)
        if not self._drop_tags():
            return False
        if len(self.head) < self._tried_bytes + self._tried_bytes // 16:
            return False
        self._tried_bytes = len(self.head)
        return True

    def _drop_tags(self) -> bool:
        """Drop tags, which may be longer than the head; return whether the head is behind them.

        What follows a tag is no raw PCM.
        """
        while not self._is_after_tags:
            if not self._tag_left:
                length = id3_bytes(self.head) if b"ID3".startswith(self.head[:3]) else 0
                if length is None:
                    return False
                self._tag_left, self._is_after_tags = length, length == 0
                if length and self.declared not in {"aac", "flac"}:
                    self.declared = "mp3"
            dropped = min(self._tag_left, len(self.head))
            if dropped:
                self.head = self.head[dropped:]
            self._tag_left -= dropped
            if self._tag_left:
                return False
        return True
