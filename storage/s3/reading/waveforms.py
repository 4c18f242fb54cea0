"""Waveforms of completed recordings, read from the bucket into bounded memory."""

import asyncio
import os
import tempfile
from pathlib import Path
from weakref import WeakValueDictionary

from storage import files, threads
from storage.s3.client.bucket import Bucket
from storage.waveform.pixels import FilePixels, OpenFile, Pixels

_BLOCK_BYTES = 1024 * 1024


class WaveformReader:
    """Reads waveforms. A long one is copied to a file without a name, which its readers share.

    The waveform of a day has up to 35 MB, and any number of clients may read it slowly. The copy
    is freed when nothing refers to its pixels any more.
    """

    def __init__(self, bucket: Bucket, folder: Path, block_bytes: int = _BLOCK_BYTES) -> None:
        """Copy to ``folder`` what has more than ``block_bytes``, a block at a time."""
        self._bucket = bucket
        self._folder = folder
        self._block_bytes = block_bytes
        self._copies: WeakValueDictionary[tuple[str, int], OpenFile] = WeakValueDictionary()
        self._copying = asyncio.Lock()

    async def read(self, key: str, size_bytes: int) -> Pixels:
        """Return the first ``size_bytes`` of the object, or all if it is shorter.

        Raises `RecordingNotFoundError`, and `StorageUnavailableError` also if the disk is full.
        """
        if size_bytes <= self._block_bytes:
            return await self._bucket.get(key, 0, size_bytes)
        async with self._copying:
            file = self._copies.get((key, size_bytes))
            if file is None:
                file = await self._copy(key, size_bytes)
                self._copies[key, size_bytes] = file
        return FilePixels(file, 0, os.fstat(file.fd).st_size)

    async def _copy(self, key: str, size_bytes: int) -> OpenFile:
        with files.translated_errors():
            file = await threads.reading.run(self._new_file)
        for start in range(0, size_bytes, self._block_bytes):
            stop = min(start + self._block_bytes, size_bytes)
            block = await self._bucket.get(key, start, stop)
            with files.translated_errors():
                await threads.reading.run(files.write_at, file.fd, block, start)
            if len(block) < stop - start:
                break
        return file

    def _new_file(self) -> OpenFile:
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self._folder) as file:
            return OpenFile(os.dup(file.fileno()))
