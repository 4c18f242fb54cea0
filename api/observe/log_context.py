"""What every log line says of its context: the request, the session, the node, the worker.

Request and session are those of the current task, and of the tasks that it creates. Node and
worker are those of the process.
"""

from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
session_id: ContextVar[str] = ContextVar("session_id", default="")

_process = {"node": "", "worker": ""}


def set_process(*, node: str = "", worker: str = "") -> None:
    """Set the node and the worker of this process; what is empty stays as it is."""
    _process.update({name: value for name, value in (("node", node), ("worker", worker)) if value})


def fields() -> dict[str, str]:
    """Return what is known of the context, by name."""
    known = {"request_id": request_id.get(), "session_id": session_id.get(), **_process}
    return {name: value for name, value in known.items() if value}
