"""The place of a worker: one of several server processes of one service on one machine."""

import msgspec

# In AUDIO_STORAGE_PATH: what the workers of a service share while it runs.
WORKERS = ".workers"

_PREFIX = "worker:"


class Worker(msgspec.Struct, frozen=True):
    """A worker. ``number`` is that of no other living worker; ``count`` is how many should run.

    While a worker is replaced there is one more, so that numbers go up to twice the count.
    """

    number: int
    count: int

    @property
    def address(self) -> str:
        return worker_address(self.number)

    @property
    def max_number(self) -> int:
        return 2 * self.count


def worker_address(number: int) -> str:
    """Return the address of a worker, where other nodes have a URL."""
    return f"{_PREFIX}{number}"


def worker_number(address: str) -> int | None:
    """Return the number of the worker with this address; None if it is no worker of this machine.

    Addresses may come from a file or a bucket that other programs can write.
    """
    digits = address.removeprefix(_PREFIX)
    is_valid = address.startswith(_PREFIX) and digits.isascii() and digits.isdecimal()
    return int(digits) if is_valid and len(digits) < 6 else None
