"""The README's program records what the README says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.audio import speech
from tests.service import Service

ROOT = Path(__file__).parent.parent


@pytest.mark.long
def test_the_program_of_the_readme_makes_a_recording(service: Service, tmp_path: Path) -> None:
    blocks: list[str] = re.findall(
        r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
    )
    (source,) = [block for block in blocks if "async def record(" in block]
    program = tmp_path / "record.py"
    program.write_text(source.replace("127.0.0.1:8000", f"127.0.0.1:{service.port}"))
    done = subprocess.run(
        [sys.executable, program, ROOT / "tests" / "data" / "speech.wav"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    first, *_, closed, url = done.stdout.splitlines()
    assert (first, closed) == ("Session created", "Session closed: 4.77 s")
    assert requests.get(url, timeout=30).content[80:] == speech()[44:]
