"""The exit codes of the commands and the output of an error."""

import contextlib
import json
import os
import sys
from collections.abc import Iterator

import click

from sercuescribe_client.errors import GaveUpError, SercueScribeError, UnreachableError

OK = 0
FAILED = 1
USAGE = 2  # click's own
NOT_FOUND = 3
NOT_ALLOWED = 4
UNREACHABLE = 5
INTERRUPTED = 130

_EXIT_CODE_BY_ERROR_CODE = {
    "session_not_found": NOT_FOUND,
    "session_deleted": NOT_FOUND,
    "link_not_found": NOT_FOUND,
    "authentication_required": NOT_ALLOWED,
    "invalid_credentials": NOT_ALLOWED,
    "credentials_expired": NOT_ALLOWED,
    "not_allowed": NOT_ALLOWED,
    "origin_not_allowed": NOT_ALLOWED,
    "host_not_allowed": NOT_ALLOWED,
    "unreachable": UNREACHABLE,
}

EXIT_CODES_HELP = """
Exit codes: 0 success, 1 failure, 2 invalid usage, 3 session or link not found, 4 not allowed,
5 service not reachable, 130 interrupted (the audio sent so far is recorded).
"""


def exit_code(error: SercueScribeError) -> int:
    """Return the code of an error. Giving up without an answer means unreachable."""
    cause = error.__cause__ if isinstance(error, GaveUpError) else error
    if isinstance(cause, UnreachableError):
        return UNREACHABLE
    return _EXIT_CODE_BY_ERROR_CODE.get(error.code, FAILED)


_REMEDIES = {
    UNREACHABLE: "; --server names the address of the service",
    NOT_ALLOWED: "; --key or SERCUESCRIBE_KEY gives another key",
}


def print_error(error: SercueScribeError, source: str | None = None, *, as_json: bool) -> None:
    """Print an error in one line with its remedy, or as a JSON object.

    ``source`` is the file that it is about.
    """
    if as_json:
        fields = {"code": error.code, "error": str(error), "session_id": error.session_id}
        fields |= {"source": source} if source else {}
        click.echo(json.dumps({"event": "error", **fields}))
        return
    is_named = error.session_id is None or error.session_id in str(error)
    where = "" if is_named else f" (session {error.session_id})"
    remedy = _REMEDIES.get(exit_code(error), "")
    about = f"{source}: " if source else ""
    click.echo(f"sercuescribe: {about}{error}{remedy}{where}", err=True)


@contextlib.contextmanager
def exit_on_error(*, as_json: bool) -> Iterator[None]:
    """Print an error as text or JSON and exit with its code."""
    try:
        yield
    except SercueScribeError as error:
        print_error(error, as_json=as_json)
        raise SystemExit(exit_code(error)) from None
    except BrokenPipeError:
        # What reads the output has read enough, as `head` does. Nothing may be flushed at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(FAILED) from None
    except OSError as error:
        text = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        print_error(SercueScribeError("io_error", text), as_json=as_json)
        raise SystemExit(FAILED) from None
