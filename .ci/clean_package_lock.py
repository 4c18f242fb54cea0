"""Reduce every package-lock.json to what `npm ci` needs: npm also writes funding addresses."""

import json
from pathlib import Path

_ROOT = Path(__file__).parents[1]

for path in (_ROOT / "package-lock.json", _ROOT / "tests/generated_clients/package-lock.json"):
    lock = json.loads(path.read_text())
    for package in lock["packages"].values():
        package.pop("funding", None)
    path.write_text(json.dumps(lock, indent=2, ensure_ascii=False) + "\n")
