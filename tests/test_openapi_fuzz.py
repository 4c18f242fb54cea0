"""The service matches its OpenAPI document for any request.

All checks of Schemathesis are enabled, for valid and invalid requests, and for sequences of
requests along inferred links (a session is created, found, closed and deleted).
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.service import Service

pytestmark = pytest.mark.long

_EXAMPLES = 40
_PROGRAM = Path(__file__).with_name("openapi_fuzz.py")


def test_every_answer_matches_the_openapi_document(
    start_service: Callable[..., Service], tmp_path: Path
) -> None:
    service = start_service(max_concurrent_sessions=10_000)
    done = subprocess.run(
        [sys.executable, "-P", _PROGRAM, "run", f"{service.url}/openapi.json", "--checks", "all",
         "--max-examples", str(_EXAMPLES), "--generation-deterministic", "--no-color",
         "--continue-on-failure"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert service.stop() == 0
    assert "Traceback" not in "".join(service.log)
