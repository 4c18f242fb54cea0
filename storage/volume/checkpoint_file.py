"""The file that says how far a recording got: one page, written in place.

====== ===== ==========================================================================
offset bytes content
====== ===== ==========================================================================
0      2016  the last checkpoint written, a record as in `storage.checkpoint`
2016   20    the boot of the machine in which it was written: CRC-32, UUID
2048   2016  the last checkpoint persisted: everything that it counts was synced before
====== ===== ==========================================================================

The records are short and begin at sectors, so that a disk writes one whole or not at all.

After a loss of power the first record may count what never reached the disk, and the files may
be long enough nevertheless. So it counts only in the boot in which it was written.
"""

import os
import zlib
from pathlib import Path
from uuid import UUID

import msgspec

from storage import files
from storage.checkpoint import Checkpoint, decode_record, encode_record
from storage.errors import StorageUnavailableError
from storage.volume.disk import Disk
from storage.volume.sync_pass import SyncCall

_RECORD_BYTES = 2016
_BOOT_AT = _RECORD_BYTES
_BOOT_BYTES = 20
_PERSISTED_AT = 2048
_FILE_BYTES = 4096


class SavedCheckpoints(msgspec.Struct, frozen=True):
    """What the file says. A record that is damaged is None."""

    written: Checkpoint | None = None
    persisted: Checkpoint | None = None
    boot_id: UUID | None = None  # None also after a failed sync


class CheckpointFile:
    """The open file of one recording. ``write`` and ``persist`` may run in two threads."""

    __slots__ = (
        "_disk",
        "_fd",
    )

    def __init__(self, path: Path, disk: Disk) -> None:
        """Open the file; create it if it is missing. Raises ``OSError``."""
        self._disk = disk
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)

    def begin(self, written: Checkpoint, persisted: Checkpoint) -> None:
        """Replace all content, in this boot. Raises ``OSError``."""
        files.write_at(self._fd, _encode(written, persisted, self._disk.boot_id), 0)

    def write(self, checkpoint: Checkpoint) -> None:
        """Overwrite the last checkpoint written. Raises `StorageUnavailableError` or ``OSError``.

        This is the hot path.
        """
        record = encode_record(checkpoint)
        if len(record) > _RECORD_BYTES:
            raise StorageUnavailableError(f"a checkpoint of {len(record)} bytes")
        os.pwrite(self._fd, record, 0)

    def persist(self, checkpoint: Checkpoint) -> None:
        """Overwrite the last checkpoint persisted. Raises ``OSError``."""
        files.write_at(self._fd, encode_record(checkpoint), _PERSISTED_AT)

    @property
    def sync_call(self) -> SyncCall:
        """Return what makes it durable."""
        return self._disk.sync, self._fd

    def revert(self, written: Checkpoint, persisted: Checkpoint) -> None:
        """Make ``persisted`` all that counts when the file is read again. Raises ``OSError``.

        ``written`` then shows what was lost.
        """
        files.write_at(self._fd, _encode(written, persisted, None), 0)

    def close(self) -> None:
        os.close(self._fd)


def read_checkpoints(path: Path) -> SavedCheckpoints:
    """Return what the file says; nothing if it cannot be read. Block."""
    try:
        page = path.read_bytes()
    except OSError:
        return SavedCheckpoints()
    return SavedCheckpoints(
        decode_record(page[:_RECORD_BYTES]),
        decode_record(page[_PERSISTED_AT:]),
        _decode_boot(page[_BOOT_AT : _BOOT_AT + _BOOT_BYTES]),
    )


def _encode(written: Checkpoint, persisted: Checkpoint, boot: UUID | None) -> bytes:
    page = encode_record(written).ljust(_BOOT_AT, b"\0")
    if boot is not None:
        page += zlib.crc32(boot.bytes).to_bytes(4, "little") + boot.bytes
    page = page.ljust(_PERSISTED_AT, b"\0") + encode_record(persisted)
    return page.ljust(_FILE_BYTES, b"\0")


def _decode_boot(data: bytes) -> UUID | None:
    if len(data) != _BOOT_BYTES or zlib.crc32(data[4:]) != int.from_bytes(data[:4], "little"):
        return None
    return UUID(bytes=data[4:])
