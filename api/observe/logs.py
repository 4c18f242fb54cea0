"""The service's log: one form, and no secret in it."""

import logging
import re
from typing import Literal

# Session tokens and the signatures of links stand in addresses, which servers log.
_SECRET = re.compile(r"(?i)\b((?:token|signature)=)[^&\s\"']+")

Level = Literal["debug", "info", "warning", "error"]


def set_up_logging(level: Level) -> None:
    """Send every record of ``level`` and above to stderr, redacted."""
    handler = logging.StreamHandler()
    handler.addFilter(redact)
    logging.basicConfig(
        level=level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        handlers=[handler],
    )


def redact(record: logging.LogRecord) -> bool:
    """Remove the secrets of a record; every record passes this filter."""
    message = record.getMessage()
    redacted = _SECRET.sub(r"\1(redacted)", message)
    if redacted != message:
        record.msg, record.args = redacted, ()
    return True
