"""The audit log: one JSON line per event of a caller, in the log ``sercuescribe.audit``.

Events: ``created``, ``connected``, ``changed`` (its details), ``paused``, ``resumed``,
``closed``, ``read`` (audio, a waveform, or a link), ``token`` (created), ``shared`` (by a link),
``unshared`` (a link was revoked), ``deleted``, ``denied``. No line contains a key, a token, a
signature or the secret of a link.
"""

import logging
from typing import Literal

import msgspec

from api.access.identity import Caller
from api.observe.logs import AUDIT_LOGGER, EVENT

Event = Literal[
    "created",
    "connected",
    "changed",
    "paused",
    "resumed",
    "closed",
    "read",
    "token",
    "shared",
    "unshared",
    "deleted",
    "denied",
]

SERVICE = Caller("the service itself")

_logger = logging.getLogger(AUDIT_LOGGER)


class _Line(msgspec.Struct, omit_defaults=True):
    event: Event
    session_id: str | None
    user: str | None
    client: str
    with_session_token: bool = False
    reason: str = ""


def audit(event: Event, caller: Caller, session_id: str | None, *, reason: str = "") -> None:
    """Write one line: ``caller`` caused ``event``."""
    identity = caller.identity
    line = _Line(
        event=event,
        session_id=session_id,
        user=identity.user if identity else None,
        client=caller.address,
        with_session_token=bool(identity and identity.session_id),
        reason=reason,
    )
    _logger.info(
        "%s",
        msgspec.json.encode(line).decode(),
        extra={EVENT: msgspec.to_builtins(line)},
    )
