"""Webhooks as one component of the service."""

from datetime import timedelta

import pytest

from api.clock import SystemClock
from api.events.endpoint import Endpoint, read_endpoints
from api.events.sender import HttpSender
from api.events.webhooks import Webhooks, links
from api.session.events import NoEvents
from api.session.registry import Registry
from api.wire.messages import DownloadLink
from storage.base import Link
from storage.local import LocalStorage
from storage.manifest import Manifest
from tests.storage.conftest import new_manifest
from tests.webhook_receiver import SECRET

CLOCK = SystemClock()


def webhooks(storage: LocalStorage, endpoints: list[Endpoint]) -> Webhooks:
    link_to = links(storage, CLOCK, None, ttl_seconds=60)
    return Webhooks(endpoints, storage, CLOCK, HttpSender(), link_to)


async def test_without_endpoints_nothing_runs(storage: LocalStorage, registry: Registry) -> None:
    found = webhooks(storage, [])
    assert isinstance(found.events, NoEvents)
    assert found.tasks(registry) == {}
    assert found.problems() == []
    assert found.attempts == {}


async def test_a_receiver_that_fails_is_a_problem_of_the_service(
    storage: LocalStorage, registry: Registry
) -> None:
    found = webhooks(storage, read_endpoints("http://hooks.example/x", SECRET, ""))
    assert set(found.tasks(registry)) == {"webhooks", "webhook-entries", "persistence-delays"}
    assert found.problems() == []
    assert found._delivery is not None
    found._delivery._receivers[0].is_disabled = True
    assert found.problems() == ["webhooks to hooks.example are not delivered, see the log"]


async def test_the_link_is_that_of_the_storage_else_one_of_the_service_if_its_url_is_known(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, expires_at = new_manifest(), CLOCK.now() + timedelta(minutes=1)

    def sign(path: str) -> DownloadLink:
        return DownloadLink(url=f"https://rec.example{path}", expires_at=expires_at)

    assert await links(storage, CLOCK, None, ttl_seconds=60)(manifest) is None
    signed = await links(storage, CLOCK, sign, ttl_seconds=60)(manifest)
    path = f"/api/audio/sessions/{manifest.session_id}/audio"
    assert signed == DownloadLink(url=f"https://rec.example{path}", expires_at=expires_at)

    async def presigned(manifest: Manifest, *_: object) -> Link:
        del manifest
        return Link("https://bucket.example/key", expires_at)

    monkeypatch.setattr(storage, "link", presigned)
    found = await links(storage, CLOCK, sign, ttl_seconds=60)(manifest)
    assert found == DownloadLink(url="https://bucket.example/key", expires_at=expires_at)
