"""Run ``sercuescribe serve`` without garbage collections.

On SIGUSR2 it logs how many objects it has that serve one connection or one session.
"""

import gc
import logging
import signal
import sys
from collections import Counter

from api.cli.serve import serve

_KINDS = (
    "BoundedHttpProtocol",
    "ClientSocket",
    "FfmpegDecoder",
    "InputStream",
    "S3Recording",
    "Session",
    "StreamDecoder",
    "VolumeRecording",
    "WebSocketProtocol",
)


def _log_objects(*_: object) -> None:
    found = Counter(type(each).__name__ for each in gc.get_objects())
    logging.getLogger("api").warning("objects: %d", sum(found[kind] for kind in _KINDS))


if __name__ == "__main__":
    gc.disable()
    signal.signal(signal.SIGUSR2, _log_objects)
    serve(sys.argv[1:])
