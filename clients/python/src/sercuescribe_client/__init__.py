"""Sends audio to SercueScribe without losing a sample, whatever happens to the connection.

    async with Client("http://127.0.0.1:8000") as client, client.create() as session:
        await session.send(chunk)

`client` is the whole of the service, `session` one recording. Below them, `delivery` knows which
chunks are kept and which comes next, without a socket; `courier` is the task that connects again
and again; `door` speaks HTTP. Every error is a class in `errors`. `cli` is the command line.

Nothing is written to the disk here: chunks that are kept are lost with this process.
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
    InvalidCredentialsError,
    InvalidParameterError,
    NotAllowedError,
    RateLimitedError,
    SercueScribeError,
    SessionCompletedError,
    SessionDeletedError,
    SessionNotFoundError,
    SessionSharedError,
    UnreachableError,
)
from sercuescribe_client.messages import Progress, SessionInfo, Status
from sercuescribe_client.session import Limits, Session

__all__ = [
    "AuthenticationRequiredError",
    "ChunkTooLargeError",
    "ChunksLostError",
    "Client",
    "ConnectionReplacedError",
    "CredentialsExpiredError",
    "DecodeFailedError",
    "GaveUpError",
    "InvalidCredentialsError",
    "InvalidParameterError",
    "Limits",
    "NotAllowedError",
    "Progress",
    "RateLimitedError",
    "Refresh",
    "SercueScribeError",
    "Session",
    "SessionCompletedError",
    "SessionDeletedError",
    "SessionInfo",
    "SessionNotFoundError",
    "SessionSharedError",
    "Status",
    "UnreachableError",
]
