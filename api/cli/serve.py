"""The command ``sercuescribe serve``.

This module imports nothing that takes time, so that SIGTERM works early.
"""

import click

from api.cli.allocator import restart_with_allocator
from api.cli.termination import exit_on_sigterm


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, help="Port to listen on; 0: any free one.")
@click.option(
    "--workers", metavar="NUMBER|auto", help="Server processes; auto: one per core. [WORKERS, or 1]"
)
def serve(host: str, port: int, workers: str | None) -> None:
    """Run the service until SIGTERM or Ctrl-C."""
    exit_on_sigterm()
    restart_with_allocator()
    from api.cli.service import run  # noqa: PLC0415 - takes a second

    run(host, port, workers)
