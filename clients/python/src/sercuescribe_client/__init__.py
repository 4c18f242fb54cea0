"""Send audio to SercueScribe without losing a sample, also when connections or nodes fail::

    async with Client("http://127.0.0.1:8000") as client, client.create() as session:
        await session.send(chunk)

`sync` has the same without ``await``. `client` calls every endpoint of the service, `session`
records one session. Below them, `delivery` decides which chunks stay in memory and which message
comes next, without I/O; `reconnecting_connection` runs that over one WebSocket after another;
`download` and `listening` fetch audio; `api_client` sends HTTP requests. Every error is a class in
`errors`. `cli` is the command line.

The library writes nothing to the disk: unpersisted chunks are lost when the process ends.
"""

from sercuescribe_client.client import Client
from sercuescribe_client.credentials import Refresh
from sercuescribe_client.errors import (
    AuthenticationRequiredError,
    ChunksLostError,
    ChunkTooLargeError,
    ConnectionReplacedError,
    CredentialsExpiredError,
    DecodeFailedError,
    GaveUpError,
    HostNotFoundError,
    InvalidCallError,
    InvalidCredentialsError,
    InvalidParameterError,
    LinkNotFoundError,
    NotAllowedError,
    RateLimitedError,
    SercueScribeError,
    SessionActiveError,
    SessionCompletedError,
    SessionDeletedError,
    SessionHeldError,
    SessionNotFoundError,
    SessionSharedError,
    TooManyLinksError,
    TooManyMarksError,
    UnreachableError,
)
from sercuescribe_client.listening import AudioBlock
from sercuescribe_client.models import (
    LinkFormat,
    Progress,
    SessionInfo,
    SessionToken,
    SessionWarning,
    SharedLink,
    Status,
)
from sercuescribe_client.session import Limits, Session
from sercuescribe_client.verification import Verification

__all__ = [
    "AudioBlock",
    "AuthenticationRequiredError",
    "ChunkTooLargeError",
    "ChunksLostError",
    "Client",
    "ConnectionReplacedError",
    "CredentialsExpiredError",
    "DecodeFailedError",
    "GaveUpError",
    "HostNotFoundError",
    "InvalidCallError",
    "InvalidCredentialsError",
    "InvalidParameterError",
    "Limits",
    "LinkFormat",
    "LinkNotFoundError",
    "NotAllowedError",
    "Progress",
    "RateLimitedError",
    "Refresh",
    "SercueScribeError",
    "Session",
    "SessionActiveError",
    "SessionCompletedError",
    "SessionDeletedError",
    "SessionHeldError",
    "SessionInfo",
    "SessionNotFoundError",
    "SessionSharedError",
    "SessionToken",
    "SessionWarning",
    "SharedLink",
    "Status",
    "TooManyLinksError",
    "TooManyMarksError",
    "UnreachableError",
    "Verification",
]
