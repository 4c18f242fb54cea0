"""The configuration of the log: as text or JSON, with its context, secrets redacted."""

import json
import logging
import math
import re
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from typing import Any, Literal
from urllib.parse import unquote_plus

from api.observe import log_context

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["text", "json"]

AUDIT_LOGGER = "sercuescribe.audit"
EVENT = "event_fields"  # the attribute of a record that has its fields already, as a dictionary

_PLACEHOLDER = re.compile(r"(?:\b(?P<name>\w+)=)?%[-#0 +]*[\d.]*(?P<kind>[a-zA-Z%])")
_SUBJECT = re.compile(r"%s[: ]")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# At `debug`, other packages log the headers that they send. Only these write debug lines.
_OWN_LOGGERS = ("api", "storage", "sercuescribe")

# Query parameters. URLs contain session tokens and the signatures of links, and uvicorn logs URLs.
_SECRET_PARAMETERS = {"token", "signature", "x-amz-signature", "x-amz-security-token"}
_LONGEST_NAME = 3 * max(map(len, _SECRET_PARAMETERS))  # each character may be percent-encoded
_VALUE = re.compile(r"[^&\s\"']+")
_DELIMITER = re.compile(r"[?&\s\"']")

_HEADER = re.compile(
    r"(?i)\b(authorization|x-api-key|x-twilio-signature|sec-websocket-protocol|x-amz-security-token)"
    r"(['\"]?\s{0,4}[:,]\s{0,4}(?:b?['\"])?)[^\r\n'\"]+"
)
# API keys and shared links of the service, and JSON Web Tokens, wherever they are.
_KEY = re.compile(r"scribe(?:_|ingest|link)[\w-]{8,}|(?<![\w-])eyJ[\w-]+\.[\w-]+\.[\w-]*")

_REDACTED = "(redacted)"


class TextFormatter(logging.Formatter):
    """Formats a record as text with its context and its traceback, without secrets."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(context)s%(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        known = _context_of(record)
        record.context = "".join(f"{name}={value} " for name, value in known.items())
        return redacted(super().format(record))


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object in one line, without secrets.

    Members: ``time`` (UTC), ``level``, ``logger``, ``message``, those of `log_context.fields`,
    each ``name=value`` of the message, and ``exception``, the traceback.
    """

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        event = getattr(record, EVENT, None)
        line = {
            **_redacted_values(event or _fields_of(record)),
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redacted(event["event"] if event else record.getMessage()),
            **_context_of(record),
        }
        if record.exc_info:
            line["exception"] = redacted(self.formatException(record.exc_info))
        # A lone surrogate, as in an undecodable file name, becomes an escape sequence of JSON.
        text = json.dumps(line, ensure_ascii=False)
        return text.encode(errors="backslashreplace").decode()


def set_up_logging(level: Level, log_format: Format = "text", audit_log: str = "") -> None:
    """Write log records of ``level`` and above to stderr, redacted.

    ``audit_log`` is a file for the audit log, which then is not on stderr. Its lines are JSON; it
    is opened again after it was moved. Raises ``OSError``.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level="INFO" if level == "debug" else level.upper(), handlers=[handler])
    for name in _OWN_LOGGERS:
        logging.getLogger(name).setLevel(level.upper())
    if audit_log:
        audit_file = WatchedFileHandler(audit_log, encoding="utf-8")
        audit_file.setFormatter(JsonFormatter())
        logger = logging.getLogger(AUDIT_LOGGER)
        logger.addHandler(audit_file)
        logger.setLevel(logging.INFO)
        logger.propagate = False


def _context_of(record: logging.LogRecord) -> dict[str, str]:
    """Return the context; a session that the message begins with is that of the line."""
    known = log_context.fields()
    if _SUBJECT.match(str(record.msg)) and isinstance(record.args, tuple) and record.args:
        subject = str(record.args[0])
        if _UUID.fullmatch(subject):
            known["session_id"] = subject
    return known


def _fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return each value of the message that has a name in front of it, as in ``name=%s``."""
    if not isinstance(record.args, tuple):
        return {}
    names = [
        found["name"] for found in _PLACEHOLDER.finditer(str(record.msg)) if found["kind"] != "%"
    ]
    return {name: value for name, value in zip(names, record.args, strict=False) if name}


def _redacted_values(fields: dict[str, Any]) -> dict[str, Any]:
    """Return numbers and None as they are; of other values the text, without secrets."""
    return {
        name: value
        if value is None or (isinstance(value, (int, float)) and math.isfinite(value))
        else redacted(f"{name}={value}").removeprefix(f"{name}=")
        for name, value in fields.items()
    }


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
