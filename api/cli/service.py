"""The service as a process: checks, the listening socket, the server."""

import asyncio
import logging
import signal
import socket
import sys

import msgspec

from api.app import create_app
from api.backend import check_workers, preflight
from api.cli.environment import settings_or_exit
from api.cli.listening import listen, listen_for_metrics
from api.cli.node_url import is_loopback
from api.cli.process import log_to_stderr, or_exit, raise_file_limit, with_node_url
from api.server.process import Server, log_url, server_config
from api.settings import Settings
from api.workers import loads
from api.workers.sockets import WorkerSockets
from api.workers.start import WorkerStart
from api.workers.supervisor import Supervisor
from storage.errors import StorageUnavailableError
from storage.service_lock import lock_folder
from storage.worker import Worker

logger = logging.getLogger(__name__)

_STARTUP_FAILURE = 3  # uvicorn's exit code


def run(host: str, port: int, workers: str | None = None) -> None:
    """Run the service on ``host`` until SIGTERM or Ctrl-C; ``port`` 0: any free one.

    ``workers`` takes precedence over WORKERS.
    """
    settings = settings_or_exit() if workers is None else settings_or_exit(WORKERS=workers)
    log_to_stderr(settings)
    _check_access(settings, host)
    raise_file_limit()
    try:
        if settings.worker_count > 1:
            check_workers(settings)
        asyncio.run(preflight(settings))
    except (StorageUnavailableError, RuntimeError) as error:
        sys.exit(f"sercuescribe: {error}")
    metrics = listen_for_metrics(settings.metrics_address)
    listening = listen(host, port)
    if settings.worker_count > 1:
        _supervise(settings, host, listening, metrics)
    else:
        _serve(settings, host, listening, metrics)


def _serve(
    settings: Settings, host: str, listening: socket.socket, metrics: socket.socket | None
) -> None:
    # Other nodes get this node's URL, so the port must be known before the application starts.
    port = listening.getsockname()[1]
    settings = with_node_url(settings, host, port)
    app = or_exit(lambda: create_app(settings, is_preflighted=True, metrics_socket=metrics))
    server = Server(server_config(settings, app, host, port), app.state.metrics.drain)
    # uvicorn installs this handler a moment later. After an orderly shutdown it raises the signal
    # again; without a handler that would kill the process with a nonzero exit code.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    server.run(sockets=[listening])
    if not server.started:
        sys.exit(_STARTUP_FAILURE)


def _supervise(
    settings: Settings, host: str, listening: socket.socket, metrics: socket.socket | None
) -> None:
    """Run workers. They inherit the lock of the folder, so that it outlives the supervisor."""
    count = settings.worker_count
    port = listening.getsockname()[1]
    try:
        lock = lock_folder(settings.storage_folder)
        sockets = WorkerSockets(settings.storage_folder)
        sockets.clear()
    except (StorageUnavailableError, OSError) as error:
        sys.exit(f"sercuescribe: {error}")
    memory = loads.create_memory(count)

    async def spawn(number: int, control: socket.socket) -> asyncio.subprocess.Process:
        start = WorkerStart(
            worker=Worker(number, count),
            host=host,
            listening_fd=listening.fileno(),
            metrics_fd=metrics.fileno() if metrics else None,
            control_fd=control.fileno(),
            loads_fd=memory,
            lock_fd=lock,
        )
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "api.cli.worker",
            msgspec.json.encode(start).decode(),
            pass_fds=start.descriptors,
        )

    def ended(number: int) -> None:
        loads.remove(memory, Worker(number, count))
        sockets.remove(number)

    supervisor = Supervisor(count, spawn, started=lambda: log_url(host, port), ended=ended)
    code = asyncio.run(supervisor.run())
    sockets.clear()
    sys.exit(code)


def _check_access(settings: Settings, host: str) -> None:
    """Exit if AUTH_MODE is not set and ``host`` is not loopback; log the mode."""
    if not settings.auth_mode and not is_loopback(host):
        sys.exit(
            f"sercuescribe: cannot listen on {host} because AUTH_MODE is not set: every client on "
            "the network could record, listen and delete. Set AUTH_MODE=api_key or AUTH_MODE=jwt "
            "(docs/security.md), or AUTH_MODE=none to run without authentication"
        )
    if settings.requires_credentials:
        logger.info("Authentication required: AUTH_MODE=%s", settings.auth_mode)
    else:
        reach = "machine" if is_loopback(host) else "network"
        logger.warning("No authentication, every client can record, listen, delete: on=%s", reach)
