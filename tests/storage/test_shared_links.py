"""Shared links on every backend, and their format."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from storage import shared_links as links
from storage.base import Storage
from storage.errors import BadObjectError, RecordingNotFoundError
from storage.shared_links import SharedLink, is_link_id
from tests import engines
from tests.storage.conftest import ReplaceManifest, new_manifest
from tests.storage.test_conformance import UNKNOWN, aged

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def link(number: int, **fields: object) -> SharedLink:
    """Return a link; later numbers are created earlier, so that the order of names is not it."""
    created_at = NOW - timedelta(seconds=number)
    values = {"created_at": created_at, "expires_at": NOW + timedelta(days=1), **fields}
    return SharedLink(link_id=f"{number:032x}", **values)  # type: ignore[arg-type]


async def completed(storage: Storage) -> UUID:
    manifest = await (await storage.create(new_manifest())).complete(NOW)
    return UUID(manifest.session_id)


async def test_a_link_is_found_listed_and_removed_also_by_a_later_process(
    open_storage: Callable[[], Storage],
) -> None:
    storage = open_storage()
    await storage.start()
    session_id = await completed(storage)
    assert await storage.shared_links.all(session_id) == []
    first, second = link(2, start=1.5, end=3, format="mp3"), link(1)
    for each in (second, first):
        await storage.shared_links.add(session_id, each)
    await storage.stop()

    storage = open_storage()
    await storage.start()
    shared = storage.shared_links
    assert await shared.all(session_id) == [first, second]
    assert await shared.get(session_id, first.link_id) == first
    assert await shared.get(UNKNOWN, first.link_id) is None
    assert await shared.remove(session_id, first.link_id)
    assert not await shared.remove(session_id, first.link_id)
    assert await shared.get(session_id, first.link_id) is None
    assert await shared.all(session_id) == [second]
    await storage.stop()


@pytest.mark.parametrize("way", ["alone", "in a page", "with a damaged manifest"])
async def test_links_are_deleted_with_their_session_and_no_new_ones_remain(
    storage: Storage, replace_manifest: ReplaceManifest, way: str
) -> None:
    session_id = await completed(storage)
    await storage.shared_links.add(session_id, link(1))
    manifest = await storage.manifest(session_id)
    if way == "alone":
        await storage.delete(manifest)
    elif way == "in a page":
        found, _ = await aged(storage, UUID(int=2**128 - 1))
        (session,) = found
        assert await storage.delete_completed([(session, manifest)]) == {}
    else:
        replace_manifest(str(session_id), b"{")
        await storage.delete_damaged(session_id)
    assert await storage.shared_links.all(session_id) == []
    with pytest.raises(RecordingNotFoundError):
        await storage.shared_links.add(session_id, link(2))
    assert await storage.shared_links.all(session_id) == []


async def test_a_damaged_link_harms_no_other_and_can_be_removed(
    storage: Storage, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    session_id = await completed(storage)
    for number in (1, 2):
        await storage.shared_links.add(session_id, link(number))
    backend = request.node.callspec.params["open_storage"]
    if backend.startswith("local"):
        name = f"{session_id}.links/{link(1).link_id}.json"
        (tmp_path / "recordings" / name).write_bytes(b"{")
    else:
        key = f"{request.node.name}/{session_id}.links/{link(1).link_id}"
        client = engines.client(request.getfixturevalue(f"{backend}_url"))
        client.put_object(Bucket=engines.BUCKET, Key=key, Body=b"{")
    assert await storage.shared_links.all(session_id) == [link(2)]
    assert await storage.shared_links.get(session_id, link(1).link_id) is None
    assert await storage.shared_links.remove(session_id, link(1).link_id)


def test_an_encoded_link_is_decoded_again() -> None:
    for each in (link(1), link(2, start=0.0, end=2.5, format="opus")):
        assert links.decode(links.encode(each), each.link_id) == each


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ({"version": 2}, "version 2: this release reads up to 1"),
        ({"link_id": "0"}, "it is link 0"),
        ({"created_at": "2026-01-01T00:00:00"}, "a time has no zone"),
        ({"format": "exe"}, "Invalid enum value"),
        ({"start": -1}, ">= 0"),
    ],
)
def test_other_bytes_are_no_link(damage: dict[str, object], reason: str) -> None:
    fields = msgspec.json.decode(links.encode(link(1))) | damage
    with pytest.raises(BadObjectError, match=reason):
        links.decode(msgspec.json.encode(fields), link(1).link_id)
    with pytest.raises(BadObjectError):
        links.decode(b"\xff", link(1).link_id)


@pytest.mark.parametrize("text", ["", "0" * 31, "G" * 32, "../" + "0" * 29, "0" * 32 + "\n"])
def test_a_text_that_is_no_id_of_a_link_is_recognised(text: str) -> None:
    assert is_link_id("0123456789abcdef" * 2)
    assert not is_link_id(text)
