"""The interface of the framers, and what the framers of containers have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from api.audio.detection import NEW_FILE_HEAD_BYTES, begins_file
from api.audio.tags import tag_bytes
from storage.pcm import Buffer


class Framer(Protocol):
    """Accepts bytes cut anywhere and returns the complete frames in them.

    The caller must exhaust the iterators. Between two items it may run something else: an item
    takes at most a few milliseconds, whatever the input is, and all of them together take a time
    that is linear in the length of the input.
    """

    skipped_bytes: int

    @property
    def finds_files(self) -> bool:
        """Return whether it would find a new file that begins now.

        False in an element that is incomplete: its file may have been cut off.
        """
        ...

    @property
    def next_file(self) -> bytes | None:
        """Return the bytes that belong to a new file; None while none has begun."""
        ...

    def restart(self) -> bytes | None:
        """Begin a new output; return what ffmpeg needs in front of it to decode what follows.

        None: what follows cannot be decoded without what was before.
        """
        ...

    @property
    def unframed(self) -> bytes:
        """Return the last bytes of the input, of which nothing was passed on yet."""
        ...

    def feed(self, data: Buffer) -> Iterator[Buffer]:
        """Yield the bytes for ffmpeg that ``data`` completes; also empty ones."""
        ...

    def cut(self) -> None:
        """Make what is whole of an incomplete last frame a frame; `finish` follows.

        For a stream that is paused. At the end of a stream, ffmpeg decides.
        """
        ...

    def finish(self) -> Iterator[Buffer]:
        """Yield the rest: ffmpeg decides what an incomplete last frame is worth."""
        ...


class Step(NamedTuple):
    """What becomes of the first ``length`` bytes of the buffer."""

    length: int
    output: Buffer = b""
    is_damage: bool = False
    ends_file: bool = False  # a new file begins behind these bytes


class ContainerFramer(ABC):
    """A framer that takes one element of a container after the other from a buffer.

    After damage, it skips everything up to the next sync point: a place where an element begins
    without doubt, whatever is before it. The output and `skipped_bytes` depend on the bytes alone,
    not on how they are cut.
    """

    _passes_damage = False  # to ffmpeg, which itself finds the next frame in this format

    def __init__(self) -> None:
        self.skipped_bytes = 0
        self.next_file: bytes | None = None
        self._buffer = bytearray()
        self._start = 0  # of the buffer, as an offset in the stream
        self._passed_bytes = 0
        self._is_lost = False
        self._drop_left = 0  # bytes that ffmpeg does not need and that are no damage

    @property
    def finds_files(self) -> bool:
        return bool(self._drop_left) or not (self._buffer or self._is_lost)

    def restart(self) -> bytes | None:
        head = self._head()
        self._passed_bytes = len(head or b"")
        return head

    @property
    def unframed(self) -> bytes:
        return bytes(self._buffer)

    def feed(self, data: Buffer) -> Iterator[Buffer]:
        self._buffer += data
        yield from self._steps(at_end=False)

    def cut(self) -> None:
        self._buffer = self._whole_part()

    def finish(self) -> Iterator[Buffer]:
        yield from self._steps(at_end=True)
        if self._is_lost:
            rest = self._damaged(len(self._buffer))
        else:
            rest = b"" if self._drop_left else self._rest()
        self._buffer.clear()
        yield rest

    @abstractmethod
    def _element(self, *, at_end: bool) -> Step | None:
        """Return what to do with the element at the start; None if that needs more bytes."""

    @abstractmethod
    def _resynchronize(self, *, at_end: bool) -> Step | None:
        """Skip to the next sync point, or all bytes that are before it."""

    def _head(self) -> bytes | None:
        """See `Framer.restart`."""
        return None

    def _whole_part(self) -> bytearray:
        """Return the buffer, or what is whole of the incomplete element in it as an element."""
        return self._buffer

    def _rest(self) -> bytes:
        """Return what ffmpeg gets of an incomplete last element."""
        return bytes(self._buffer)

    def _steps(self, *, at_end: bool) -> Iterator[Buffer]:
        while self._buffer and (step := self._step(at_end=at_end)):
            output = self._damaged(step.length) if step.is_damage else step.output
            if step.length:
                self._consume(step.length)
            self._passed_bytes += len(output)
            yield output
            if step.ends_file:
                self.next_file = bytes(self._buffer)
                self._buffer.clear()

    def _damaged(self, length: int) -> bytes:
        """Return what ffmpeg gets of the first ``length`` bytes, which are damaged."""
        if self._passes_damage:
            return bytes(self._buffer[:length])
        self.skipped_bytes += length
        return b""

    def _step(self, *, at_end: bool) -> Step | None:
        if self._drop_left:
            dropped = min(self._drop_left, len(self._buffer))
            self._drop_left -= dropped
            return Step(dropped)
        return self._resynchronize(at_end=at_end) if self._is_lost else self._element(at_end=at_end)

    def _consume(self, length: int) -> None:
        del self._buffer[:length]
        self._start += length

    def _drop(self, length: int) -> Step:
        """Drop ``length`` bytes that are no damage."""
        self._drop_left = length
        return Step(0)

    def _lose(self) -> Step:
        """Give up the element at the start: it is damaged."""
        self._is_lost = True
        return Step(1, is_damage=True)

    def _foreign(self, *, at_end: bool) -> Step | None:
        """Return what to do with bytes that are no element: a tag is dropped, a file begins."""
        length = tag_bytes(self._buffer)
        if length:
            return self._drop(length)
        is_file = begins_file(self._buffer, at_end=at_end)
        if (length is None or is_file is None) and not at_end:
            return None
        return Step(0, ends_file=True) if is_file else self._lose()

    def _is_foreign(self, position: int = 0, *, at_end: bool) -> bool | None:
        """Return whether a tag or a file begins at ``position``; None if that needs more bytes."""
        head = bytes(self._buffer[position : position + NEW_FILE_HEAD_BYTES])
        length = tag_bytes(head)
        if length or (length is None and len(head) == NEW_FILE_HEAD_BYTES):  # a long tag
            return True
        is_file = begins_file(head, at_end=at_end)
        return None if (length is None or is_file is None) and not at_end else bool(is_file)
