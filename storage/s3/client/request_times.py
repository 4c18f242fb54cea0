"""Reports each request of a client: its operation, its duration, and whether it has failed.

botocore calls these handlers once for each request, whatever retries it needs ("Event System" in
the documentation of botocore). The limit on concurrent requests is not part of the duration; the
body of an answer is not either.
"""

import time
from typing import TYPE_CHECKING, Any

from storage.observer import Observer

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_BEGAN = "sercuescribe_began"

# Answers that the service expects: no such key, a condition that does not hold, an empty range.
_EXPECTED = {404, 409, 412, 416}


def observe_requests(client: "S3Client", observer: Observer) -> None:
    """Report all requests of ``client`` to ``observer``."""

    def begin(context: dict[str, Any], **_: Any) -> None:
        context[_BEGAN] = time.monotonic()

    def answered(http_response: Any, model: Any, context: dict[str, Any], **_: Any) -> None:
        observer.requested(model.name, time.monotonic() - context[_BEGAN])
        status = http_response.status_code
        if status >= 400 and status not in _EXPECTED:
            observer.failed(model.name)

    def failed(event_name: str, context: dict[str, Any], **_: Any) -> None:
        operation = event_name.rpartition(".")[2]
        if _BEGAN in context:
            observer.requested(operation, time.monotonic() - context[_BEGAN])
        observer.failed(operation)

    events = client.meta.events
    events.register("before-call.s3", begin)
    events.register("after-call.s3", answered)
    events.register("after-call-error.s3", failed)
