"""The command ``sercuescribe verify``, and a program of its own that does the same."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.api.cli.command import run
from tests.audio import pcm
from tests.service import Service

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[3]
MEBIBYTE = 2**20


@pytest.fixture
async def store(start_service: Callable[..., Service], tmp_path: Path) -> tuple[Path, list[str]]:
    """A volume with three recordings, its keys in ``keys.json``, and the ids; no service runs."""
    service = start_service()
    found = [await service.record(pcm(600_000, seed=seed)) for seed in range(3)]
    keys = service.get("/.well-known/sercuescribe-receipt-keys.json")
    (tmp_path / "keys.json").write_bytes(keys.content)
    assert service.stop() == 0
    return service.folder, found


def verify(folder: Path, *arguments: str, **environ: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code, and the result of each recording."""
    done = run("verify", "--json", *arguments, AUDIO_STORAGE_PATH=str(folder), **environ)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, {each["recording"]: each for each in lines}


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def codes(result: dict[str, Any]) -> list[str]:
    return [problem["code"] for problem in result["problems"]]


async def test_damage_swapped_files_and_forged_receipts_of_a_store_are_found(
    store: tuple[Path, list[str]],
) -> None:
    folder, (first, second, third) = store
    code, results = verify(folder, "--all")
    assert (code, {each["result"] for each in results.values()}) == (0, {"verified"})
    assert len(results) == 3
    assert (folder / ".receipt-key").stat().st_mode & 0o777 == 0o600

    flip(folder / f"{first}.wav", 80 + MEBIBYTE + 7)
    manifest = folder / f"{second}.json"
    manifest.write_text(manifest.read_text().replace('"chunk_count": 1', '"chunk_count": 2'))
    (folder / f"{third}.wav").unlink()
    code, results = verify(folder, "--all")
    assert code == 1
    assert results[first]["problems"][0]["blocks"] == [1]
    assert codes(results[second]) == ["bad_signature"]
    assert codes(results[third]) == ["missing"]

    (folder / f"{first}.times").write_text(json.dumps({"pauses": []}))
    code, results = verify(folder, first, str(folder / f"{first}.wav"))
    assert {"timeline_differs"} <= set(codes(results[first]))
    assert {"timeline_differs"} <= set(codes(results[str(folder / f"{first}.wav")]))
    (folder / f"{first}.times").unlink()
    code, results = verify(folder, first, str(folder / f"{first}.wav"))
    assert results[first]["problems"][0]["message"] == "the timeline is missing"
    assert codes(results[str(folder / f"{first}.wav")]) == ["audio_differs"]

    shutil.copy(folder / f"{second}.wav", folder / f"{third}.wav")
    manifest.write_text("{}")
    code, results = verify(folder, second, third)
    assert code == 1
    assert codes(results[second]) == ["damaged"]
    assert codes(results[third]) == ["audio_differs"]


async def test_keys_come_from_the_document_or_the_settings_and_never_from_the_receipt(
    store: tuple[Path, list[str]], tmp_path: Path
) -> None:
    folder, (session_id, *_) = store
    copies = tmp_path / "copies"
    copies.mkdir()
    for kind in ("wav", "json"):
        shutil.copy(folder / f"{session_id}.{kind}", copies / f"lecture.{kind}")
    wav = str(copies / "lecture.wav")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    keys = tmp_path / "keys.json"
    assert verify(elsewhere, "--keys", str(keys), wav)[0] == 0
    code, results = verify(elsewhere, wav)
    assert (code, results[wav]["result"], codes(results[wav])) == (3, "unknown", ["unknown_key"])
    retired = json.loads(keys.read_bytes())["keys"][0]["public_key"]
    assert verify(elsewhere, wav, RECEIPT_PUBLIC_KEYS=retired)[0] == 0
    assert run("verify", str(tmp_path / "none.wav")).returncode == 2
    assert run("verify").returncode == 2


async def test_the_program_of_the_documents_verifies_a_recording(
    store: tuple[Path, list[str]], tmp_path: Path
) -> None:
    folder, (session_id, *_) = store
    files = [str(folder / f"{session_id}.{kind}") for kind in ("wav", "json")]
    program = [sys.executable, str(ROOT / "docs" / "verify_receipt.py")]
    command = [*program, *files, str(tmp_path / "keys.json")]
    assert subprocess.run(command, check=False, timeout=30).returncode == 0
    flip(Path(files[0]), 100)
    assert subprocess.run(command, check=False, timeout=30, capture_output=True).returncode == 1
