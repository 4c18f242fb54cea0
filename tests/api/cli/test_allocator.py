"""A serving process has memory in huge pages, if the system has them."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.engine

_ARE_OFFERED = "[never]" not in Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text()


@contextmanager
def serving(folder: Path, **environ: str) -> Iterator[psutil.Process]:
    """Yield the process that ``sercuescribe serve`` has become, once it serves."""
    with subprocess.Popen(
        [sys.executable, "-m", "api.cli", "serve", "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "AUDIO_STORAGE_PATH": str(folder), **environ},
    ) as process:
        assert process.stderr is not None
        try:
            next(line for line in process.stderr if "Uvicorn running on" in line)
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            process.communicate()
    assert process.returncode == 0


def huge_pages_bytes(process: psutil.Process) -> int:
    rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    (kibibytes,) = re.findall(r"^AnonHugePages: +(\d+) kB", rollup, re.MULTILINE)
    return int(kibibytes) * 1024


def test_the_service_and_each_worker_have_memory_in_huge_pages(tmp_path: Path) -> None:
    for workers in ("1", "2"):
        with serving(tmp_path / workers, WORKERS=workers) as service:
            processes = [each for each in service.children() if "api.cli.worker" in each.cmdline()]
            assert len(processes) == (2 if workers == "2" else 0)
            for process in processes or [service]:
                assert (huge_pages_bytes(process) > 0) is _ARE_OFFERED


@pytest.mark.parametrize(
    ("variable", "value"), [("PYTHONMALLOC", "pymalloc"), ("GLIBC_TUNABLES", "")]
)
def test_an_allocator_that_the_operator_has_chosen_stays(
    tmp_path: Path, variable: str, value: str
) -> None:
    with serving(tmp_path, **{variable: value}) as service:
        environ = service.environ()
    assert environ[variable] == value
    assert len(environ.keys() & {"PYTHONMALLOC", "GLIBC_TUNABLES"}) == 1
