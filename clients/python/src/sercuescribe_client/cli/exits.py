"""How a command ends: the exit codes, and what is said of an error."""

import contextlib
import json
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

_BY_CODE = {
    "session_not_found": NOT_FOUND,
    "session_deleted": NOT_FOUND,
    "authentication_required": NOT_ALLOWED,
    "invalid_credentials": NOT_ALLOWED,
    "credentials_expired": NOT_ALLOWED,
    "not_allowed": NOT_ALLOWED,
    "origin_not_allowed": NOT_ALLOWED,
    "host_not_allowed": NOT_ALLOWED,
    "unreachable": UNREACHABLE,
}

MEANINGS = """
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no such session, 4 not allowed,
5 the service was not reached, 130 interrupted (what was sent is recorded).
"""


def exit_code(error: SercueScribeError) -> int:
    """Who gave up for want of an answer did not reach the service."""
    cause = error.__cause__ if isinstance(error, GaveUpError) else error
    if isinstance(cause, UnreachableError):
        return UNREACHABLE
    return _BY_CODE.get(error.code, FAILED)


@contextlib.contextmanager
def errors_told(*, as_json: bool) -> Iterator[None]:
    """Say what went wrong, for people or programs, and exit with the code for it."""
    try:
        yield
    except SercueScribeError as error:
        if as_json:
            told = {"code": error.code, "error": str(error), "session_id": error.session_id}
            click.echo(json.dumps({"event": "error", **told}))
        else:
            where = f" (session {error.session_id})" if error.session_id else ""
            click.echo(f"sercuescribe: {error}{where}", err=True)
        raise SystemExit(exit_code(error)) from None
    except OSError as error:
        if as_json:
            click.echo(json.dumps({"event": "error", "code": "io_error", "error": str(error)}))
        else:
            click.echo(f"sercuescribe: {error}", err=True)
        raise SystemExit(FAILED) from None
