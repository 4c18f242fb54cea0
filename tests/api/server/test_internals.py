"""What api.server uses of uvicorn and websockets beyond their public interfaces.

pyproject.toml allows one minor version of each. If a test here fails after an update, compare the
sources of the two versions, adapt the protocol classes, then the table below and the versions in
pyproject.toml.
"""

import ast
import asyncio
import inspect
import textwrap
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from litestar import Litestar
from packaging.requirements import Requirement
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.protocol import Protocol
from websockets.server import ServerProtocol

from api.server.http_protocol import BoundedHttpProtocol
from api.server.keepalive import KeepaliveProtocol
from api.server.process import Server
from api.server.round_robin import RoundRobin, RoundRobinProtocol
from api.server.websocket_protocol import WebSocketProtocol
from api.server.worker_server import WorkerServer

_PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"

_SIGNATURES: dict[Callable[..., Any], str] = {
    HttpToolsProtocol.__init__: "(self, config, server_state, app_state, _loop)",
    HttpToolsProtocol.connection_made: "(self, transport)",
    HttpToolsProtocol.connection_lost: "(self, exc)",
    HttpToolsProtocol.pause_writing: "(self)",
    HttpToolsProtocol.resume_writing: "(self)",
    HttpToolsProtocol.data_received: "(self, data)",
    HttpToolsProtocol.on_message_begin: "(self)",
    HttpToolsProtocol.on_headers_complete: "(self)",
    HttpToolsProtocol.on_body: "(self, body)",
    HttpToolsProtocol.on_message_complete: "(self)",
    HttpToolsProtocol.handle_websocket_upgrade: "(self)",
    HttpToolsProtocol._start_asgi_task: "(self, cycle, app)",
    WebSocketsSansIOProtocol.__init__: "(self, config, server_state, app_state, _loop)",
    WebSocketsSansIOProtocol.connection_made: "(self, transport)",
    WebSocketsSansIOProtocol.connection_lost: "(self, exc)",
    WebSocketsSansIOProtocol.data_received: "(self, data)",
    WebSocketsSansIOProtocol.handle_connect: "(self, event)",
    WebSocketsSansIOProtocol.start_keepalive: "(self)",
    WebSocketsSansIOProtocol.send_receive_event_to_app: "(self)",
    WebSocketsSansIOProtocol.handle_parser_exception: "(self)",
    WebSocketsSansIOProtocol.handle_ping: "(self)",
    WebSocketsSansIOProtocol.handle_cont: "(self, event)",
    WebSocketsSansIOProtocol.resume_writing: "(self)",
    WebSocketsSansIOProtocol.keepalive_timeout: "(self)",
    WebSocketsSansIOProtocol.on_task_complete: "(self, task)",
    WebSocketsSansIOProtocol.send: "(self, message)",
    WebSocketsSansIOProtocol.receive: "(self)",
    Protocol.fail: "(self, code, reason)",
    uvicorn.Server.startup: "(self, sockets)",
}

# Calls in uvicorn that the subclasses rely on, and how many there are in the class.
_CALLS = [
    (HttpToolsProtocol, "self._start_asgi_task(", 2),  # for each request that gets an answer
    (HttpToolsProtocol, "self.handle_websocket_upgrade()", 1),
    (WebSocketsSansIOProtocol, "self.start_keepalive()", 1),  # after the handshake only
    (WebSocketsSansIOProtocol, "self.scope: WebSocketScope = {", 1),
    (WebSocketsSansIOProtocol, "self.handle_connect(", 1),
    (WebSocketsSansIOProtocol, "self.handle_ping()", 1),
    (WebSocketsSansIOProtocol, "self.handle_cont(", 1),
    (WebSocketsSansIOProtocol, "self.keepalive_timeout", 1),
    (WebSocketsSansIOProtocol, "self.on_task_complete", 1),
    (WebSocketsSansIOProtocol, "self.send_receive_event_to_app()", 3),  # text, bytes, continuation
]

# A new protocol has none of these. `_CALLS` has the place where uvicorn sets them.
_SET_BY_HANDSHAKE = {"scope"}


def _text(package: str, change: str) -> str:
    return f"{package} {version(package)} changed: {change}. See the docstring of {__file__}"


async def _instances() -> dict[type, object]:
    config = uvicorn.Config(Litestar(), http="httptools", ws="websockets-sansio", log_config=None)
    config.load()
    state = ServerState()
    http = HttpToolsProtocol(config, state, {})
    cycle = RequestResponseCycle(
        scope=http.scope,
        transport=http.transport,
        flow=FlowControl(http.transport),
        logger=http.logger,
        access_logger=http.access_logger,
        access_log=False,
        default_headers=[],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=True,
        on_response=http.on_response_complete,
    )
    websocket = WebSocketsSansIOProtocol(config, state, {})
    return {
        HttpToolsProtocol: http,
        RequestResponseCycle: cycle,
        WebSocketsSansIOProtocol: websocket,
        RoundRobinProtocol: RoundRobinProtocol(config, state, {}, round_robin=RoundRobin()),
        KeepaliveProtocol: KeepaliveProtocol(config, state, {}, round_robin=RoundRobin()),
        ServerProtocol: websocket.conn,
        uvicorn.Server: uvicorn.Server(config),
    }


def _used(cls: type) -> set[str]:
    """Return the attributes of ``self`` that ``cls`` uses and does not define."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    on_self = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    ]
    own = {node.attr for node in on_self if node.attr.startswith("_")} | set(vars(cls))
    return {node.attr for node in on_self} - own - set(cls.__annotations__) - _SET_BY_HANDSHAKE


@pytest.mark.parametrize("package", ["uvicorn", "websockets"])
def test_only_the_minor_version_that_the_protocol_classes_extend_is_allowed(package: str) -> None:
    dependencies = tomllib.loads(_PYPROJECT.read_text())["project"]["dependencies"]
    (allowed,) = (each for each in map(Requirement, dependencies) if each.name == package)
    major, minor = (int(number) for number in version(package).split(".")[:2])
    assert f"{major}.{minor}" in allowed.specifier, f"{package}: not the version of {allowed}"
    assert f"{major}.{minor + 1}" not in allowed.specifier, f"{allowed} allows the next minor one"


@pytest.mark.parametrize("function", _SIGNATURES, ids=lambda function: function.__qualname__)
def test_methods_that_are_called_or_replaced_have_the_same_parameters(
    function: Callable[..., Any],
) -> None:
    package = function.__module__.partition(".")[0]
    found = f"({', '.join(inspect.signature(function).parameters)})"
    change = f"{function.__qualname__} has the parameters {found}, not {_SIGNATURES[function]}"
    assert found == _SIGNATURES[function], _text(package, change)


@pytest.mark.parametrize(
    ("ours", "base"),
    [
        (BoundedHttpProtocol, HttpToolsProtocol),
        (RoundRobinProtocol, WebSocketsSansIOProtocol),
        (KeepaliveProtocol, RoundRobinProtocol),
        (WebSocketProtocol, KeepaliveProtocol),
        (Server, uvicorn.Server),
        (WorkerServer, uvicorn.Server),
    ],
    ids=lambda cls: cls.__name__,
)
async def test_attributes_that_a_subclass_uses_exist(ours: type, base: type) -> None:
    instance = (await _instances())[base]
    used = _used(ours)
    assert used
    missing = {name for name in used if not hasattr(instance, name)}
    assert not missing, _text("uvicorn", f"{base.__name__} has no {', '.join(sorted(missing))}")


@pytest.mark.parametrize(
    ("package", "base", "names"),
    [
        (
            "uvicorn",
            RequestResponseCycle,
            {"disconnected", "message_event", "response_complete", "response_started"},
        ),
        ("websockets", ServerProtocol, {"current_size", "fail", "logger", "max_message_size"}),
    ],
)
async def test_attributes_of_other_objects_exist(package: str, base: type, names: set[str]) -> None:
    instance = (await _instances())[base]
    missing = {name for name in names if not hasattr(instance, name)}
    assert not missing, _text(package, f"{base.__name__} has no {', '.join(sorted(missing))}")


@pytest.mark.parametrize(("base", "call", "times"), _CALLS, ids=[call for _, call, _ in _CALLS])
def test_uvicorn_calls_the_methods_that_are_replaced(base: type, call: str, times: int) -> None:
    found = inspect.getsource(base).count(call)
    change = f"{base.__name__} calls {call.rstrip('(')} {found} times, not {times}"
    assert found == times, _text("uvicorn", change)
