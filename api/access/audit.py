"""Who did what with which session: one JSON line each, in the log ``sercuescribe.audit``.

Events: ``created``, ``connected``, ``closed``, ``read`` (its audio, or a link to it), ``token``
(one was made), ``deleted``, ``denied``. No line holds a key, a token or a signature.
"""

import logging
from typing import Literal

import msgspec

from api.access.identity import Caller

Event = Literal["created", "connected", "closed", "read", "token", "deleted", "denied"]

SERVICE = Caller("the service itself")

_logger = logging.getLogger("sercuescribe.audit")


class _Line(msgspec.Struct, omit_defaults=True):
    event: Event
    session_id: str | None
    user: str | None
    client: str
    with_session_token: bool = False
    reason: str = ""


def audit(event: Event, caller: Caller, session_id: str | None, *, reason: str = "") -> None:
    """Note that ``caller`` did it."""
    identity = caller.identity
    line = _Line(
        event=event,
        session_id=session_id,
        user=identity.user if identity else None,
        client=caller.address,
        with_session_token=bool(identity and identity.session_id),
        reason=reason,
    )
    _logger.info("%s", msgspec.json.encode(line).decode())
