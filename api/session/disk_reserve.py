"""The free space on the volume that new sessions must leave to those that record."""

import shutil
from pathlib import Path

from api.wire.errors import DiskReserveError
from storage import threads

_MEBIBYTE = 1024 * 1024


class DiskReserve:
    """Refuses new sessions while the volume of ``folder`` has less than ``min_free_mb`` free."""

    def __init__(self, folder: Path, min_free_mb: int) -> None:
        self._folder = folder
        self._min_free_mb = min_free_mb

    async def check(self) -> None:
        """Raise :class:`DiskReserveError` if less is free."""
        if not self._min_free_mb:
            return
        try:
            usage = await threads.recording.run(shutil.disk_usage, self._folder)
        except OSError:
            return  # the storage reports that its folder cannot be used
        if usage.free < self._min_free_mb * _MEBIBYTE:
            raise DiskReserveError(usage.free // _MEBIBYTE, self._min_free_mb)
