"""A Python module as a process of its own, forked from a process that has imported the service.

Half of what a short test costs would be the imports of the service it starts. The processes are
real: own sockets, signals and memory. How the command starts from nothing is tested in
``tests/api/cli``.
"""

import contextlib
import gc
import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from multiprocessing.reduction import DupFd
from typing import Any
from unittest.mock import patch

from api.cli.allocator import ALLOCATOR

_PRELOADED = [
    "api.cli.service",
    "litestar.plugins.pydantic",  # Litestar imports it if pydantic is installed
    "sercuescribe_client.cli.commands",
    "storage.s3",
]
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(_PRELOADED)


class PreloadedProcess:
    """``python -m`` with ``command``; ``stderr`` is the descriptor it writes its log to."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], stderr: int) -> None:
        with patch.dict(os.environ, ALLOCATOR):  # forked processes keep its allocator
            forkserver.ensure_running()
        self._process: ForkServerProcess = _CONTEXT.Process(
            target=_run_module, args=(command, dict(environment), DupFd(stderr)), daemon=True
        )
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or None while the process runs."""
        return self._process.exitcode

    def wait(self, timeout_seconds: float) -> int:
        self._process.join(timeout_seconds)
        code = self._process.exitcode
        if code is None:
            raise TimeoutError(f"process {self.pid} runs for {timeout_seconds} seconds more")
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def _run_module(command: Sequence[str], environment: dict[str, str], stderr: Any) -> None:
    gc.freeze()  # a collection would copy every page of the memory shared with the parent
    os.dup2(stderr.detach(), sys.stderr.fileno())
    os.environ.clear()
    os.environ.update(environment | ALLOCATOR)
    module, *arguments = command
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
