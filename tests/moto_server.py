"""moto's server, with conditional puts that are atomic, as those of S3 are.

moto checks ``If-None-Match`` and then writes, without a lock.
"""

import sys
import threading

from moto.core.common_types import TYPE_RESPONSE
from moto.s3.responses import S3Response
from moto.server import main

_put_object = S3Response.put_object
_writing = threading.Lock()


def _put_object_alone(self: S3Response) -> TYPE_RESPONSE:
    with _writing:
        return _put_object(self)


if __name__ == "__main__":
    S3Response.put_object = _put_object_alone  # type: ignore[method-assign]
    # Completing an upload checks a condition too: no other thread may run in between.
    sys.setswitchinterval(60)
    main(sys.argv[1:])
