"""The uvicorn server of one of several workers."""

import asyncio
import socket
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, cast

import uvicorn

from api.server.handover import HandoverListener
from api.server.listener import SharedListener
from api.server.process import prepare_collections
from api.workers.control import Control
from api.workers.loads import Loads
from api.workers.sockets import FROM_WORKER, WorkerSockets

_TICKS_PER_BEAT = 10  # uvicorn ticks ten times a second


class WorkerServer(uvicorn.Server):
    """Accepts its share of the connections, and tells the supervisor that it runs.

    It has three sources of connections: the listening socket of all workers, connections that
    other workers hand over, and a Unix socket for the HTTP requests of other workers.
    """

    lifespan: Any  # uvicorn sets these two at the start
    servers: list[Any]

    def __init__(
        self,
        config: uvicorn.Config,
        control: Control,
        loads: Loads,
        *,
        session_count: Callable[[], int],
        listening: socket.socket,
        sockets: WorkerSockets,
        number: int,
        stopping: Callable[[], None],
    ) -> None:
        """``number`` is that of this worker, ``listening`` the socket of all workers.

        ``stopping`` is called when the shutdown begins.
        """
        super().__init__(config)
        self._stopping = stopping
        self._control = control
        self._loads = loads
        self._session_count = session_count
        self._http_path = sockets.http(number)
        self._handover = HandoverListener(sockets.connections(number))
        self._shared = SharedListener(listening, loads, self._load)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self._control.start(self._stop)
        # Before it takes sessions up, whose clients may connect at once.
        self._handover.bind()
        await super().startup(sockets)
        if not self.started:
            return
        server = await asyncio.get_running_loop().create_unix_server(
            self._protocol_of_workers, str(self._http_path)
        )
        self._http_path.chmod(0o600)
        self.servers.append(server)
        self._handover.start(self._protocol)
        self._loads.publish(self._load())
        prepare_collections()
        self._shared.start(self._protocol)
        self._control.ready()

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_PER_BEAT == 0:
            self._control.beat()
        self._loads.publish(self._load())
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping()
        self._loads.withdraw()
        self._shared.close()
        self._handover.close()
        await super().shutdown(sockets)
        await self._control.stop()

    def _load(self) -> int:
        return len(self.server_state.connections) + self._session_count()

    def _protocol_of_workers(self) -> asyncio.Protocol:
        return self._protocol({FROM_WORKER: True})

    def _protocol(self, state: Mapping[str, Any] = MappingProxyType({})) -> asyncio.Protocol:
        """Return the protocol of a connection whose requests have ``state`` in their scopes."""
        protocol: Any = self.config.http_protocol_class
        return cast(
            "asyncio.Protocol",
            protocol(
                config=self.config,
                server_state=self.server_state,
                app_state={**self.lifespan.state, **state},
            ),
        )

    def _stop(self) -> None:
        self.should_exit = True
