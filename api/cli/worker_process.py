"""The server of one worker, with its connections to the supervisor and to the other workers."""

import os
import signal
import socket
import sys
from pathlib import Path
from uuid import UUID

import aiohttp  # noqa: F401 - so that the first request to another worker does not wait for it
import msgspec

from api.app import create_app
from api.cli.environment import settings_or_exit
from api.cli.process import log_to_stderr, or_exit, raise_file_limit, with_node_url
from api.server.handover import Handover
from api.server.process import server_config
from api.server.worker_server import WorkerServer
from api.session.registry import Registry
from api.workers.control import Control
from api.workers.loads import Loads
from api.workers.membership import Membership
from api.workers.sockets import WorkerSockets
from api.workers.start import WorkerStart
from storage.base import Storage
from storage.worker import worker_number

_STARTUP_FAILURE = 3  # uvicorn's exit code


def serve(start_json: str) -> None:
    """Serve until SIGTERM, or until the supervisor ends."""
    start = msgspec.json.decode(start_json, type=WorkerStart)
    for descriptor in start.descriptors:
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - decoders must not keep them
    settings = settings_or_exit()
    worker = start.worker
    log_to_stderr(settings, worker=str(worker.number))
    raise_file_limit()
    listening = socket.socket(fileno=start.listening_fd)
    port = listening.getsockname()[1]
    settings = with_node_url(settings, start.host, port)
    control = Control(socket.socket(fileno=start.control_fd))
    sockets = WorkerSockets(settings.storage_folder)
    membership = Membership(worker, control, sockets)
    app = or_exit(
        lambda: create_app(
            settings,
            metrics_socket=(
                None if start.metrics_fd is None else socket.socket(fileno=start.metrics_fd)
            ),
            membership=membership,
            is_preflighted=True,
        )
    )
    registry: Registry = app.state["registry"]
    storage: Storage = app.state["storage"]
    handover = Handover(lambda session_id: _owner(storage, sockets, session_id))
    server = WorkerServer(
        server_config(settings, app, start.host, port, handover),
        control,
        Loads(start.loads_fd, worker),
        session_count=lambda: len(registry.live),
        listening=listening,
        sockets=sockets,
        number=worker.number,
        stopping=app.state["metrics"].drain,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    server.run(sockets=[])
    if not server.started:
        sys.exit(_STARTUP_FAILURE)


def _owner(storage: Storage, sockets: WorkerSockets, session_id: UUID) -> Path | None:
    """Return the socket of the other worker that has the session."""
    address = storage.sibling(session_id)
    number = None if address is None else worker_number(address)
    return None if number is None else sockets.connections(number)
