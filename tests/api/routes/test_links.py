"""Shared links for the owner of a session: made, listed, revoked."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from api.access.api_keys import key_line, new_key
from api.access.shared_links import MAX_LINKS
from tests.audio import pcm
from tests.service import Service
from tests.test_access import SECRET, bearer, token

SESSIONS = "/api/audio/sessions"
UNKNOWN = "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"
WEEK = 604_800


async def test_links_are_made_listed_without_their_address_and_revoked(service: Service) -> None:
    path = f"{SESSIONS}/{await service.record(pcm(1000))}/links"
    assert service.get(path).json() == {"links": []}
    wanted = {"expires_in_seconds": WEEK, "start": 0.01, "end": 0.5, "format": "flac"}
    first = service.post(path, json=wanted)
    assert first.status_code == 201
    second = service.post(path).json()
    url = first.json()["url"]
    assert url.startswith(f"{service.url}/l/{path.split('/')[4]}/scribelink")
    listed = service.get(path)
    assert url.rpartition("/")[2] not in listed.text
    links = [{name: value for name, value in each.items() if name != "url"}
             for each in (first.json(), second)]  # fmt: skip
    assert listed.json() == {"links": links}
    assert {name: links[0][name] for name in ("start", "end", "format")} == {
        "start": 0.01, "end": 0.5, "format": "flac",
    }  # fmt: skip
    revoked = service.delete(f"{path}/{second['link_id']}")
    assert (revoked.status_code, revoked.json()["success"]) == (200, True)
    for link_id in (second["link_id"], "0", "..%2f..%2fetc"):
        again = service.delete(f"{path}/{link_id}")
        assert again.status_code == 404
    assert service.delete(f"{path}/{second['link_id']}").json()["code"] == "link_not_found"
    assert service.get(path).json() == {"links": links[:1]}


async def test_a_recording_is_shared_after_it_is_completed(service: Service) -> None:
    async with service.session() as client:
        await client.send(pcm(10))
        path = f"{SESSIONS}/{client.session_id}"
        refused = service.post(f"{path}/links", json={"expires_in_seconds": 60})
        assert (refused.status_code, refused.json()["code"]) == (409, "session_active")
        service.post(f"{path}/close")
        made = service.post(f"{path}/links", json={"expires_in_seconds": 60})
        assert made.status_code == 201
        service.delete(path)
        assert service.get(f"{path}/links").json()["code"] == "session_not_found"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"expires_in_seconds": None}, "invalid_expires_in_seconds"),
        ({"expires_in_seconds": 0}, "invalid_expires_in_seconds"),
        ({"expires_in_seconds": 60, "start": -1}, "invalid_start"),
        ({"expires_in_seconds": 60, "start": 1, "end": 1}, "invalid_end"),
        ({"expires_in_seconds": 60, "format": "exe"}, "invalid_format"),
        ([], "invalid_body"),
    ],
)
async def test_a_bad_parameter_is_answered_with_its_name(
    service: Service, body: Any, code: str
) -> None:
    session_id = await service.record(pcm(20_000), sample_rate=8000)
    answer = service.post(f"{SESSIONS}/{session_id}/links", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_a_session_has_a_bounded_number_of_links(service: Service) -> None:
    session_id = await service.record(pcm(10))
    path = f"{SESSIONS}/{session_id}/links"
    first = service.post(path, json={"expires_in_seconds": 60}).json()
    file = service.folder / f"{session_id}.links" / f"{first['link_id']}.json"
    fields = json.loads(file.read_bytes())
    for number in range(MAX_LINKS - 1):
        copy = fields | {"link_id": f"{number:032x}"}
        file.with_name(f"{copy['link_id']}.json").write_text(json.dumps(copy))
    refused = service.post(path, json={"expires_in_seconds": 60})
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_links")
    file.write_text(json.dumps(fields | {"expires_at": "2026-01-01T00:00:00Z"}))
    assert service.post(path, json={"expires_in_seconds": 60}).status_code == 201
    assert not file.exists()
    assert len(service.get(path).json()["links"]) == MAX_LINKS


def test_only_the_owner_and_admins_share_and_no_session_token_does(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(
        auth_mode="jwt", jwt_secret=SECRET, jwt_issuer="https://id.example", jwt_audience="recorder"
    )
    created = service.post(SESSIONS, headers=bearer(token("alice", "record read"))).json()
    path = f"{SESSIONS}/{created['session_id']}"
    service.post(f"{path}/close", headers=bearer(token("alice", "record")))
    body = {"expires_in_seconds": 60}
    shown = {
        token("bob", "record read"): 404,
        token("alice", "record"): 403,
        created["token"]: 403,
        token("alice", "read"): 201,
        token("root", "admin"): 201,
    }
    for credential, status in shown.items():
        answer = service.post(f"{path}/links", headers=bearer(credential), json=body)
        assert answer.status_code == status, answer.text
        listed = service.get(f"{path}/links", headers=bearer(credential))
        assert listed.status_code == (200 if status == 201 else status)
    link_id = answer.json()["link_id"]
    for credential, status in shown.items():
        if status != 201:
            removed = service.delete(f"{path}/links/{link_id}", headers=bearer(credential))
            assert removed.status_code == status


def test_links_are_audited_and_no_log_line_shows_one(
    start_service: Callable[..., Service],
) -> None:
    key = new_key()
    service = start_service(auth_mode="api_key", api_keys=key_line(key, "a", ["record", "read"]))
    headers = {"X-API-Key": key}
    session_id = service.post(SESSIONS, headers=headers).json()["session_id"]
    path = f"{SESSIONS}/{session_id}"
    service.post(f"{path}/close", headers=headers)
    link = service.post(f"{path}/links", headers=headers, json={"expires_in_seconds": 60}).json()
    url = link["url"].removeprefix(service.url)
    assert service.get(url).status_code == 200
    assert service.get(f"{url}/audio").status_code == 200
    service.delete(f"{path}/links/{link['link_id']}", headers=headers)
    assert service.get(url).status_code == 404
    assert service.get(f"{url}/audio").status_code == 404
    assert service.stop() == 0
    lines = [line.partition("sercuescribe.audit: ")[2] for line in service.log]
    told = [json.loads(line) for line in lines if line]
    reason = f"link {link['link_id']}"
    assert [(each["event"], each.get("user"), each.get("reason")) for each in told[2:]] == [
        ("shared", "a", reason),
        ("read", None, reason),
        ("unshared", "a", reason),
        ("denied", None, "The link does not exist, or it was revoked"),
        ("denied", None, "The link does not exist, or it was revoked"),
    ]
    assert {each["session_id"] for each in told} == {session_id}
    assert url.rpartition("/")[2] not in "".join(service.log)
    assert any("/l/" in line for line in service.log)  # the access log has these requests
