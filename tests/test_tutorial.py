"""The commands of the tutorial do what its text says."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.service import Service

ROOT = Path(__file__).parents[1]
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text()
COMMANDS = re.findall(r"```sh\n(.*?)```", TUTORIAL, re.DOTALL)


def test_its_commands_record_find_and_verify(start_service: Callable[..., Service]) -> None:
    service = start_service()
    server = service.url.removeprefix("http://")
    printed = [
        subprocess.run(
            ["bash", "-euc", commands.replace("127.0.0.1:8000", server)],
            cwd=ROOT,
            env={
                "PATH": "/usr/bin:/bin",
                "SERCUESCRIBE_SERVER": service.url,
                "AUDIO_STORAGE_PATH": str(service.folder),
            },
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        for commands in COMMANDS
    ]
    recorded, listed, verified = (f"{each.stdout}{each.stderr}" for each in printed)
    assert "verified" in recorded
    assert "First recording" in listed
    assert '"title":"First recording"' in listed
    assert "1" in verified
