"""The ratios of the last measurements, in a file of the repository.

A ratio compares the service with a baseline in the same run, so it depends little on the machine.
A smaller one is better. ``bench/ratios.json`` has the machine and the date of each.
"""

import datetime as dt
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

PATH = Path(__file__).with_name("ratios.json")
_MAX_GROWTH = 0.15


def note(name: str, ratio: float, *, path: Path = PATH) -> None:
    """Write ``ratio`` into the file in place of the last one of that name."""
    ratios = json.loads(path.read_text()) if path.exists() else {}
    ratios[name] = {
        "ratio": round(ratio, 2),
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": _machine(),
    }
    path.write_text(json.dumps(dict(sorted(ratios.items())), indent=2) + "\n")


def committed(path: Path = PATH) -> dict[str, Any]:
    """Return what the file has in the last commit; nothing if it is not in it."""
    shown = subprocess.run(
        ["git", "show", f"HEAD:./{path.name}"],
        cwd=path.parent,
        capture_output=True,
        check=False,
    )
    return dict(json.loads(shown.stdout)) if shown.returncode == 0 else {}


def slower(path: Path = PATH) -> list[str]:
    """Return a line for each ratio that is more than 15 % above the one in the last commit."""
    before = committed(path)
    after = json.loads(path.read_text()) if path.exists() else {}
    return [
        f"{name}: {before[name]['ratio']:.2f} ({before[name]['date']}, {before[name]['machine']})"
        f" -> {found['ratio']:.2f}"
        for name, found in after.items()
        if name in before and found["ratio"] > before[name]["ratio"] * (1 + _MAX_GROWTH)
    ]


def _machine() -> str:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    python = platform.python_version()
    return f"{os.cpu_count()} x {model}, Linux {platform.release()}, Python {python}"
