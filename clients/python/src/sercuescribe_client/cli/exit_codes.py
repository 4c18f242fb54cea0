"""The exit codes of the commands and the output of an error."""

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


@contextlib.contextmanager
def exit_on_error(*, as_json: bool) -> Iterator[None]:
    """Print an error as text or JSON and exit with its code."""
    try:
        yield
    except SercueScribeError as error:
        if as_json:
            fields = {"code": error.code, "error": str(error), "session_id": error.session_id}
            click.echo(json.dumps({"event": "error", **fields}))
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
