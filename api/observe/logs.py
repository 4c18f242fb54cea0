"""The configuration of the log: one format, secrets redacted."""

import logging
import re
from typing import Literal

# URLs contain session tokens and the signatures of links, and uvicorn logs URLs.
_SECRET = re.compile(r"(?i)\b((?:token|signature)=)[^&\s\"']+")

Level = Literal["debug", "info", "warning", "error"]


def set_up_logging(level: Level) -> None:
    """Write log records of ``level`` and above to stderr, redacted."""
    handler = logging.StreamHandler()
    handler.addFilter(redact)
    logging.basicConfig(
        level=level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        handlers=[handler],
    )


def redact(record: logging.LogRecord) -> bool:
    """Redact the secrets in ``record``; return True, so that the filter passes every record."""
    message = record.getMessage()
    redacted = _SECRET.sub(r"\1(redacted)", message)
    if redacted != message:
        record.msg, record.args = redacted, ()
    return True
