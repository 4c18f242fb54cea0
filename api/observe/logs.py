"""The configuration of the log: one format, secrets redacted."""

import logging
import re
from typing import Literal
from urllib.parse import unquote_plus

Level = Literal["debug", "info", "warning", "error"]

# At `debug`, other packages log the headers that they send. Only these write debug lines.
_OWN_LOGGERS = ("api", "storage", "sercuescribe")

# Query parameters. URLs contain session tokens and the signatures of links, and uvicorn logs URLs.
_SECRET_PARAMETERS = {"token", "signature", "x-amz-signature", "x-amz-security-token"}
_LONGEST_NAME = 3 * max(map(len, _SECRET_PARAMETERS))  # each character may be percent-encoded
_VALUE = re.compile(r"[^&\s\"']+")
_DELIMITER = re.compile(r"[?&\s\"']")

_HEADER = re.compile(
    r"(?i)\b(authorization|x-api-key|sec-websocket-protocol|x-amz-security-token)"
    r"(['\"]?\s{0,4}[:,]\s{0,4}(?:b?['\"])?)[^\r\n'\"]+"
)
# API keys of the service, and JSON Web Tokens, wherever they are.
_KEY = re.compile(r"scribe_[\w-]{8,}|(?<![\w-])eyJ[\w-]+\.[\w-]+\.[\w-]*")

_REDACTED = "(redacted)"


class RedactingFormatter(logging.Formatter):
    """Formats a record with its traceback, and removes secrets from both."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


def set_up_logging(level: Level, worker: int | None = None) -> None:
    """Write log records of ``level`` and above to stderr, redacted; name the ``worker``."""
    handler = logging.StreamHandler()
    process = "" if worker is None else f"worker={worker} "
    handler.setFormatter(
        RedactingFormatter(f"%(asctime)s %(levelname)s {process}%(name)s: %(message)s")
    )
    logging.basicConfig(level="INFO" if level == "debug" else level.upper(), handlers=[handler])
    for name in _OWN_LOGGERS:
        logging.getLogger(name).setLevel(level.upper())


def redacted(text: str) -> str:
    """Return ``text`` without API keys, tokens and signatures. The time is linear in its length."""
    text = _redact_parameters(text)
    text = _HEADER.sub(rf"\1\2{_REDACTED}", text)
    return _KEY.sub(_REDACTED, text)


def _redact_parameters(text: str) -> str:
    parts, copied, equals = [], 0, text.find("=")
    while equals >= 0:
        name = _DELIMITER.split(text[max(copied, equals - _LONGEST_NAME) : equals])[-1]
        is_secret = unquote_plus(name).lower() in _SECRET_PARAMETERS
        if is_secret and (value := _VALUE.match(text, equals + 1)) is not None:
            parts += [text[copied : equals + 1], _REDACTED]
            copied = value.end()
            equals = text.find("=", copied)
        else:
            equals = text.find("=", equals + 1)
    return "".join([*parts, text[copied:]])
