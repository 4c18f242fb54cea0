"""Ratios that grow by more than 15 % are named."""

import json
import subprocess
from pathlib import Path

from bench import ratios


def commit(path: Path) -> None:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    for arguments in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "Measure"]):
        subprocess.run(["git", *arguments], cwd=path.parent, check=True)


def test_a_ratio_that_grew_by_more_than_15_percent_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ratios.json"
    for name in ("slower", "as fast", "faster"):
        ratios.note(name, 1.0, path=path)
    commit(path)
    assert ratios.slower(path) == []
    for name, ratio in (("slower", 1.16), ("as fast", 1.15), ("faster", 0.5), ("new", 9.0)):
        ratios.note(name, ratio, path=path)
    (line,) = ratios.slower(path)
    assert line.startswith("slower: 1.00 (")
    assert line.endswith(" -> 1.16")


def test_without_a_committed_file_nothing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ratios.json"
    ratios.note("new", 1.0, path=path)
    assert ratios.slower(path) == []


def test_a_ratio_has_its_machine_and_date(tmp_path: Path) -> None:
    path = tmp_path / "ratios.json"
    ratios.note("one", 1.2345, path=path)
    found = json.loads(path.read_text())["one"]
    assert found["ratio"] == 1.23
    assert set(found) == {"ratio", "date", "machine"}
