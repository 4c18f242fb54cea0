"""Reduce package-lock.json to what `npm ci` needs: npm also writes where to send donations."""

import json
from pathlib import Path

_LOCK = Path(__file__).parents[1] / "package-lock.json"

lock = json.loads(_LOCK.read_text())
for package in lock["packages"].values():
    package.pop("funding", None)
_LOCK.write_text(json.dumps(lock, indent=2, ensure_ascii=False) + "\n")
