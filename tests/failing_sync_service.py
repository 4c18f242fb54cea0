"""Run ``sercuescribe serve``; its syncs have a defect while the file FAILS_WHILE exists.

The defect is an exception that no sync may raise, so the background task ends.
"""

import functools
import os
import sys
from pathlib import Path
from unittest.mock import patch

from api.cli.serve import serve
from storage.local import storage
from storage.volume.disk import Disk


def _sync(fd: int) -> None:
    if Path(os.environ["FAILS_WHILE"]).exists():
        raise RuntimeError("a defect")
    os.fdatasync(fd)


if __name__ == "__main__":
    with patch.object(storage, "Disk", functools.partial(Disk, sync=_sync)):
        serve(sys.argv[1:])
