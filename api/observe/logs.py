"""The service's log: one form, and no secret in it."""

import logging
import re
from typing import Literal

# Session tokens and the signatures of links stand in addresses, which servers log.
_SECRET = re.compile(r"(?i)\b((?:token|signature)=)[^&\s\"']+")

Level = Literal["debug", "info", "warning", "error"]


def set_up(level: Level) -> None:
    handler = logging.StreamHandler()
    handler.addFilter(redact)
    logging.basicConfig(
        level=level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        handlers=[handler],
    )


def redact(record: logging.LogRecord) -> bool:
    """A filter that lets every record pass, without its secrets."""
    message = record.getMessage()
    redacted = _SECRET.sub(r"\1(redacted)", message)
    if redacted != message:
        record.msg, record.args = redacted, ()
    return True
