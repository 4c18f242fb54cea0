"""What a recording needs of the machine: durable writes, and the id of its boot."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import msgspec

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@functools.cache
def boot_id() -> UUID:
    """Return the id of this boot of the machine, or one of this process if there is none.

    While it is the same, files read as they were written, synced or not.
    """
    return boot_id_of_kernel() or uuid4()


def boot_id_of_kernel() -> UUID | None:
    """Return the id of this boot of the machine, None if the system does not tell."""
    try:
        return UUID(_BOOT_ID.read_text().strip())
    except (OSError, ValueError):
        return None


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """How files become durable, and in which boot. Tests replace either.

    ``sync`` makes the content of a file durable, ``sync_folder`` the names in a folder. Both take
    a descriptor and raise ``OSError``.
    """

    sync: Callable[[int], None] = os.fdatasync
    sync_folder: Callable[[int], None] = os.fsync
    boot_id: UUID = msgspec.field(default_factory=boot_id)
