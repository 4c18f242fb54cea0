"""An ASGI extension: a handler takes binary messages in a callback instead of `receive`.

A call costs a fraction of an event in a queue and a task switch. The handler still calls `receive`
in a loop, because the server only calls back while the handler waits there and nothing is queued.
So the callback and the handler never run at the same time, and all messages come in order:

- The callback gets a binary message. It returns the text to answer with, or None if the message
  needs more than a call; then `receive` returns the message as usual.
- Everything else arrives by `receive`, and so does every message while the handler is busy or the
  client does not read its answers.
- If the callback raises, `receive` raises the same exception.

A handler must work without it: other servers do not have the extension.
"""

from collections.abc import Callable
from typing import Any

MessageCallback = Callable[[bytes], bytes | None]

EXTENSION = "sercuescribe.message_callback"


def set_message_callback(scope: Any, callback: MessageCallback) -> None:
    """Let the server of the connection of ``scope`` call ``callback``, if it can."""
    register = (scope.get("extensions") or {}).get(EXTENSION)
    if register is not None:
        register(callback)
