"""The command ``sercuescribe verify``."""

import asyncio
import contextlib
import json
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import UUID

import click
import msgspec
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)

from api.backend import FileAudio, open_recordings, receipt_keys
from api.cli.environment import settings_or_exit
from api.cli.interruption import run_until_interrupted
from api.wire.messages import KeyDocument
from storage import manifest as manifests
from storage.errors import RecordingNotFoundError, StorageError
from storage.manifest import Manifest
from storage.verification import (
    Problem,
    StoredAudio,
    StoredRecordings,
    check_audio,
    check_receipt,
    check_timeline,
)

_VERIFIED, _DIFFERS, _UNKNOWN = 0, 1, 3
# Nothing is known to be wrong, but nothing is proved either.
_UNKNOWN_CODES = {"unsigned", "unknown_key", "no_receipt", "active"}

_EXIT_CODES = """
Exit codes: 0 everything is verified, 1 something differs, is damaged or is missing,
2 invalid usage, 3 something cannot be verified: no receipt, no signature, or no key for it.
"""


class _Item(msgspec.Struct):
    """What is checked: a session of the store, or a file."""

    name: str
    session_id: UUID
    path: Path | None = None


@click.command(epilog=_EXIT_CODES)
@click.argument("recordings", nargs=-1, metavar="FILE|ID…")
@click.option("--all", "all_recordings", is_flag=True, help="Every recording of the store.")
@click.option(
    "--keys",
    "key_source",
    metavar="FILE|URL",
    help="Document with the public keys: /.well-known/sercuescribe-receipt-keys.json of the "
    "service. Without it, the keys of the settings count.",
)
@click.option(
    "--unsigned", "allows_unsigned", is_flag=True, help="Accept receipts without a signature."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per recording.")
def verify(
    recordings: tuple[str, ...],
    *,
    all_recordings: bool,
    key_source: str | None,
    allows_unsigned: bool,
    as_json: bool,
) -> None:
    """Check recordings against their receipts: files, or sessions of the store by their id.

    The receipt of a file is in the manifest beside it, which has the same name and ends in .json,
    or in that of the store. Reads all audio, and may run beside the service.
    """
    if bool(recordings) == all_recordings:
        raise click.UsageError("give either FILE or ID arguments, or --all")
    settings = settings_or_exit()
    try:
        keys = (
            _document_keys(key_source)
            if key_source
            else receipt_keys(settings, may_create=False).public()
        )
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        sys.exit(f"sercuescribe: the keys cannot be read: {error}")

    async def run() -> int:
        code = _VERIFIED
        async with open_recordings(settings) as store:
            with _progress_bar(is_shown=not as_json) as bar:
                async for item in _items(recordings, store):
                    task = bar.add_task(item.name, total=None)
                    found = await _check(item, store, keys, _updater(bar, task))
                    bar.remove_task(task)
                    if allows_unsigned:
                        found = [each for each in found if each.code != "unsigned"]
                    _print(item, found, as_json=as_json)
                    code = _worse(code, found)
        return code

    try:
        sys.exit(run_until_interrupted(run(), hint="not everything was checked"))
    except StorageError as error:
        sys.exit(f"sercuescribe: {error}")


def _updater(bar: Progress, task: TaskID) -> Callable[[int, int], None]:
    """Return a function that shows how many of how many bytes are read."""

    def update(done_bytes: int, size_bytes: int) -> None:
        bar.update(task, completed=done_bytes, total=size_bytes)

    return update


async def _items(recordings: tuple[str, ...], store: StoredRecordings) -> AsyncIterator[_Item]:
    if not recordings:
        async for session_id in store.sessions():
            yield _Item(str(session_id), session_id)
    for name in recordings:
        yield _item(name)


def _item(name: str) -> _Item:
    path = Path(name)
    try:
        session_id = UUID(path.stem)
    except ValueError:
        session_id = UUID(int=0)
    if path.is_file():
        return _Item(name, session_id, path)
    if str(session_id) == name.lower():
        return _Item(name, session_id)
    raise click.UsageError(f"{name} is neither a file nor the id of a session")


async def _check(
    item: _Item,
    store: StoredRecordings,
    keys: list[bytes],
    on_progress: Callable[[int, int], None],
) -> list[Problem]:
    try:
        manifest = await _manifest(item, store)
        if manifest.status == "active":
            return [Problem("active", "the session is not completed")]
        if manifest.receipt is None:
            return [Problem("no_receipt", "a release without receipts has recorded it")]
        found = check_receipt(manifest, manifest.receipt, keys)
        session_id = UUID(manifest.session_id)
        audio: StoredAudio = (
            await store.audio(session_id) if item.path is None else FileAudio(item.path)
        )
        if (timeline := await _timeline(item, store, session_id)) is not None:
            found += check_timeline(manifest.receipt, timeline)
        blocks = await _blocks(item, store, session_id)
        size_bytes = audio.size_bytes
        return found + await check_audio(
            audio, manifest.receipt, blocks, lambda done: on_progress(done, size_bytes)
        )
    except RecordingNotFoundError:
        return [Problem("missing", "its manifest or its audio")]
    except StorageError as error:
        return [Problem("damaged", str(error))]


async def _manifest(item: _Item, store: StoredRecordings) -> Manifest:
    """Return the manifest beside the file, or that of the store."""
    beside = None if item.path is None else item.path.with_suffix(".json")
    if beside is None or not beside.is_file():
        return await store.manifest(item.session_id)
    data = await asyncio.to_thread(beside.read_bytes)
    session_id = item.session_id
    if not session_id.int:  # the file has another name
        with contextlib.suppress(ValueError, KeyError, TypeError):
            session_id = UUID(json.loads(data)["session_id"])
    return manifests.decode(data, session_id)


async def _blocks(item: _Item, store: StoredRecordings, session_id: UUID) -> bytes:
    beside = None if item.path is None else item.path.with_suffix(".sums")
    if beside is not None and beside.is_file():
        return await asyncio.to_thread(beside.read_bytes)
    return await store.blocks(session_id)


async def _timeline(item: _Item, store: StoredRecordings, session_id: UUID) -> bytes | None:
    """Return the timeline, empty if the store lacks it; None for a file that has none beside it."""
    if item.path is None:
        return await store.timeline(session_id)
    beside = item.path.with_suffix(".times")
    return await asyncio.to_thread(beside.read_bytes) if beside.is_file() else None


def _document_keys(source: str) -> list[bytes]:
    """Return the public keys of the document. Raises ``OSError`` or ``ValueError``."""
    if source.startswith(("http://", "https://")):
        with urllib.request.urlopen(source, timeout=30) as answer:  # noqa: S310 - as just checked
            data = answer.read()
    else:
        data = Path(source).read_bytes()
    document = msgspec.json.decode(data, type=KeyDocument)
    return [bytes.fromhex(each.public_key) for each in document.keys]


def _worse(code: int, found: list[Problem]) -> int:
    if code == _DIFFERS or any(each.code not in _UNKNOWN_CODES for each in found):
        return _DIFFERS
    return _UNKNOWN if found else code


def _result(found: list[Problem]) -> str:
    return {_VERIFIED: "verified", _DIFFERS: "failed", _UNKNOWN: "unknown"}[_worse(0, found)]


def _print(item: _Item, found: list[Problem], *, as_json: bool) -> None:
    result = _result(found)
    if as_json:
        problems = msgspec.to_builtins(found)
        click.echo(json.dumps({"recording": item.name, "result": result, "problems": problems}))
        return
    color = {"verified": "green", "failed": "red", "unknown": "yellow"}[result]
    click.echo(f"{click.style(result, fg=color)}  {item.name}")
    for each in found:
        click.echo(f"      {each.code}: {each.message}")


def _progress_bar(*, is_shown: bool) -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        disable=not (is_shown and console.is_terminal),
    )
