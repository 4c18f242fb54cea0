"""Reading a recording, finished or still growing."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

from storage import wav
from storage.local import files

_BLOCK_BYTES = 256 * 1024


class LocalAudio:
    """See `storage.base.Audio`.

    The sizes in a growing file's header are patched about once a second, so a snapshot
    brings its own header, which fits its length, and takes only the samples from the file.
    """

    def __init__(
        self, path: Path, pcm_format: wav.PcmFormat, pcm_bytes: int, modified_at: datetime
    ) -> None:
        self._path = path
        self._header = wav.header(pcm_format, pcm_bytes)
        self.size_bytes = wav.HEADER_BYTES + pcm_bytes
        self.modified_at = modified_at

    @property
    def etag(self) -> str:
        # Audio is only ever appended: the same length is the same content.
        return f'"{self._path.stem}-{self.size_bytes}"'

    async def read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        head = self._header[start:stop]
        if head:
            yield head
        offset = max(start, wav.HEADER_BYTES)
        if offset >= stop:
            return
        with files.translated_errors(), self._path.open("rb", buffering=0) as file:
            file.seek(offset)
            while offset < stop:
                block = await asyncio.to_thread(file.read, min(stop - offset, _BLOCK_BYTES))
                if not block:
                    raise EOFError(f"{self._path} ends at {offset}, before {stop}")
                offset += len(block)
                yield block
