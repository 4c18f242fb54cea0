"""A worker as a process: ``python -m api.cli.worker START``. Only the supervisor starts it.

This module imports nothing that takes time before `exit_on_sigterm`, so that SIGTERM works early.
"""

import sys

from api.cli.termination import exit_on_sigterm


def run(start_json: str) -> None:
    """Serve until SIGTERM, or until the supervisor ends."""
    exit_on_sigterm()
    from api.cli.worker_process import serve  # noqa: PLC0415 - takes a second

    serve(start_json)


if __name__ == "__main__":
    run(sys.argv[1])
