"""The command ``sercuescribe webhooks``."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uuid_utils.compat

from api.events import entry as entries
from api.events.entry import new_entry
from api.events.signature import parse_secret
from storage.local.outbox import LocalOutbox, OutboxFolder
from storage.outbox import DEAD, FIRST_SLOT, RETRIED, Place, slot_of
from tests import engines
from tests.api.cli.command import run

pytestmark = pytest.mark.engine

NOW = datetime(2026, 1, 2, tzinfo=UTC)
MINUTE = slot_of(NOW.timestamp())


@pytest.fixture
async def ids(tmp_path: Path) -> list[str]:
    """A dead event, one that is due, and one that waits."""
    outbox, names = OutboxFolder(tmp_path), []
    for node, slot in ((DEAD, MINUTE), ("0", FIRST_SLOT), ("0", MINUTE)):
        entry = new_entry("session.created", str(uuid_utils.compat.uuid7()), NOW)
        await outbox.put(Place(node, slot, entry.name), entries.encode(entry))
        names.append(entry.name)
    await outbox.put(Place(DEAD, MINUTE, "damaged"), b"{")
    return names


async def places(folder: Path) -> dict[str, tuple[str, int]]:
    outbox = OutboxFolder(folder)
    found = [each for node in await outbox.nodes() for each in await outbox.page(node, 100)]
    return {each.name: (each.node, each.slot) for each in found}


def command(folder: Path, *arguments: str) -> str:
    done = run("webhooks", *arguments, AUDIO_STORAGE_PATH=str(folder))
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_list_prints_one_line_for_each_event(tmp_path: Path, ids: list[str]) -> None:
    details = "attempts=0 happened=2026-01-02T00:00:00Z"
    lines = command(tmp_path, "list").splitlines()
    assert lines[0] == f"waiting now {ids[1]} {details}"
    assert lines[1] == f"waiting 2026-01-02T00:00Z {ids[2]} {details}"
    assert f"dead 2026-01-02T00:00Z {ids[0]} {details}" in lines
    assert any(line.startswith("dead 2026-01-02T00:00Z damaged unreadable: ") for line in lines)
    assert len(command(tmp_path, "list", "--dead").splitlines()) == 2
    assert len(command(tmp_path, "list", "--limit", "1").splitlines()) == 2


async def test_retry_lets_the_service_deliver_events_again(tmp_path: Path, ids: list[str]) -> None:
    assert command(tmp_path, "retry", ids[0]) == "events=1\n"
    assert (await places(tmp_path))[ids[0]] == (RETRIED, FIRST_SLOT)
    assert command(tmp_path, "retry", "--all") == "events=3\n"  # the damaged one is left alone
    found = await places(tmp_path)
    assert {found[each] for each in ids} == {(RETRIED, FIRST_SLOT)}
    assert found["damaged"] == (DEAD, MINUTE)
    service = LocalOutbox(tmp_path)
    await service.claim()
    assert await service.abandoned() == [RETRIED]
    service.release()


async def test_retry_takes_the_id_of_an_event_or_the_entry_of_one_receiver(tmp_path: Path) -> None:
    outbox, session_id = OutboxFolder(tmp_path), str(uuid_utils.compat.uuid7())
    whole = new_entry("session.created", session_id, NOW)
    parts = [whole.only_for(key, f"{key}.example", []) for key in ("first", "second")]
    for part in parts:
        await outbox.put(Place(DEAD, MINUTE, part.name), entries.encode(part))
    listed = command(tmp_path, "list", "--dead")
    assert all(f"receiver={part.host}" in listed for part in parts)
    assert command(tmp_path, "retry", parts[0].name) == "events=1\n"
    assert set((await places(tmp_path)).values()) == {(RETRIED, FIRST_SLOT), (DEAD, MINUTE)}
    assert command(tmp_path, "retry", whole.event_id) == "events=2\n"
    assert set((await places(tmp_path)).values()) == {(RETRIED, FIRST_SLOT)}


async def test_drop_removes_events(tmp_path: Path, ids: list[str]) -> None:
    assert command(tmp_path, "drop", ids[1], "unknown") == "events=1\n"
    assert command(tmp_path, "drop", "--dead") == "events=2\n"
    assert set(await places(tmp_path)) == {ids[2]}


def test_a_command_without_events_is_refused(tmp_path: Path) -> None:
    for arguments in (("retry",), ("drop",), ("drop", "--dead", "an-id")):
        done = run("webhooks", *arguments, AUDIO_STORAGE_PATH=str(tmp_path))
        assert done.returncode == 2
        assert "give either" in done.stderr


def test_secret_prints_a_new_secret() -> None:
    first, second = (run("webhooks", "secret").stdout.strip() for _ in range(2))
    assert len(parse_secret(first)) == 32
    assert first != second


def test_the_outbox_of_a_bucket_is_reached_too(moto_url: str) -> None:
    bucket = {
        "STORAGE_BACKEND": "s3",
        "S3_BUCKET": engines.BUCKET,
        "S3_PREFIX": f"webhooks-{time.monotonic_ns()}/",
        "S3_ENDPOINT_URL": moto_url,
    }
    entry = new_entry("session.created", str(uuid_utils.compat.uuid7()), NOW)
    key = f"{bucket['S3_PREFIX']}_outbox/{DEAD}/{MINUTE:09}-{entry.name}"
    client = engines.client(moto_url)
    client.put_object(Bucket=engines.BUCKET, Key=key, Body=entries.encode(entry))
    assert run("webhooks", "retry", "--all", **bucket).stdout == "events=1\n"
    assert run("webhooks", "list", **bucket).stdout.startswith(f"waiting now {entry.name}")
    assert run("webhooks", "drop", entry.name, **bucket).stdout == "events=1\n"
    assert run("webhooks", "list", **bucket).stdout == ""
