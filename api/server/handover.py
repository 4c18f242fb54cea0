"""Hands a connection over to the worker that has its session, before the handshake is answered.

The worker passes the socket itself (``SCM_RIGHTS``, unix(7)) with the bytes that it has read. So
the owner serves the client as if it had accepted the connection, and a client that reconnects
costs nothing more, whichever worker it reaches. If that fails, the worker answers the client.
"""

import asyncio
import logging
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from api.server.listener import Factory

logger = logging.getLogger(__name__)

_SESSION = re.compile(rb"/api/ws/audio/([0-9A-Fa-f-]{36})(?:[/?]|$)")
_FAILURE_SECONDS = 0.5
_MAX_BYTES = 128 * 1024  # of the request and the frames after it; the kernel buffers no more

Owner = Callable[[UUID], Path | None]


class Handover:
    """Gives connections away."""

    def __init__(self, owner: Owner) -> None:
        """``owner`` returns the socket of the other worker that has a session; None: no other."""
        self._owner = owner

    def offer(self, url: bytes, received: bytes, connection: Any) -> bool:
        """Return whether the owner of the session in ``url`` has the connection now.

        ``received`` is all that the client has sent. The caller then closes the connection, which
        ends it in this process only.
        """
        match = _SESSION.search(url)
        if match is None or len(received) > _MAX_BYTES:
            return False
        try:
            path = self._owner(UUID(match[1].decode()))
        except ValueError:
            return False
        if path is None:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as owner:
                owner.settimeout(0)
                owner.connect(str(path))
                socket.send_fds(owner, [received], [connection.fileno()])
        except OSError as error:
            logger.warning("Failed to hand a connection over: to=%s error=%s", path.name, error)
            return False
        return True


class HandoverListener:
    """Takes connections that other workers give away."""

    def __init__(self, path: Path) -> None:
        """``path`` is where to listen; nothing may be there."""
        self._path = path
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._opening: set[asyncio.Task[Any]] = set()
        self._senders: set[socket.socket] = set()
        self._paused: asyncio.TimerHandle | None = None

    def bind(self) -> None:
        """Let other workers give connections away: from now on, they wait for `start`."""
        self._listening.bind(str(self._path))
        self._path.chmod(0o600)
        self._listening.listen(1024)
        self._listening.settimeout(0)

    def start(self, factory: Factory) -> None:
        """Take connections; each gets a protocol of ``factory``."""
        self._factory = factory
        self._loop = asyncio.get_running_loop()
        self._accept_next()

    def _accept_next(self) -> None:
        self._loop.add_reader(self._listening, self._accept)

    def close(self) -> None:
        """Take no more connections."""
        if self._paused is not None:
            self._paused.cancel()
        self._loop.remove_reader(self._listening)
        for sender in self._senders:
            self._loop.remove_reader(sender)
            sender.close()
        self._senders.clear()
        self._listening.close()

    def _accept(self) -> None:
        try:
            sender, _ = self._listening.accept()
        except BlockingIOError:
            return
        except OSError as error:
            # The process has no descriptor left. What was handed over stays in the queue.
            logger.warning("Failed to accept a connection: error=%s", error)
            self._loop.remove_reader(self._listening)
            self._paused = self._loop.call_later(_FAILURE_SECONDS, self._accept_next)
            return
        sender.settimeout(0)
        self._senders.add(sender)
        self._loop.add_reader(sender, self._receive, sender)

    def _receive(self, sender: socket.socket) -> None:
        try:
            received, descriptors, _, _ = socket.recv_fds(sender, _MAX_BYTES, 1)
        except BlockingIOError:
            return
        except OSError:
            received, descriptors = b"", []
        self._loop.remove_reader(sender)
        self._senders.discard(sender)
        sender.close()
        for descriptor in descriptors:
            # CPython ignores the flag of `recv_fds` that would do this.
            os.set_inheritable(descriptor, False)  # noqa: FBT003 - child processes must not keep it
            connection = socket.socket(fileno=descriptor)
            connection.settimeout(0)
            task = asyncio.ensure_future(self._serve(connection, received))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _serve(self, connection: socket.socket, received: bytes) -> None:
        def factory() -> asyncio.Protocol:
            protocol = self._factory()
            cast("Any", protocol).resume_handover(received)
            return protocol

        try:
            await self._loop.connect_accepted_socket(factory, connection)
        except OSError as error:
            logger.warning("Failed to take a connection over: error=%s", error)
            connection.close()
