"""Run ``sercuescribe serve`` and write its asyncio tasks to a file on SIGUSR1.

The file that ``SOAK_TASKS_FILE`` names gets the coroutine names as a JSON list.
"""

import asyncio
import json
import os
import signal
from pathlib import Path
from unittest.mock import patch

from litestar import Litestar

from api import app
from api.cli import serve
from api.settings import Settings


def create_app(settings: Settings, *, is_preflighted: bool) -> Litestar:
    service = app.create_app(settings, is_preflighted=is_preflighted)
    service.on_startup.append(_listen)
    return service


async def _listen() -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _write_tasks)


def _write_tasks() -> None:
    path = Path(os.environ["SOAK_TASKS_FILE"])
    unfinished = path.with_suffix(".unfinished")
    names = sorted(str(task.get_coro()).split(" at ")[0] for task in asyncio.all_tasks())
    unfinished.write_text(json.dumps(names))
    unfinished.replace(path)


if __name__ == "__main__":
    with patch.object(serve, "create_app", create_app):
        serve.serve(["--port", "0"])
