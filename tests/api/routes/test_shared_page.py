"""What a visitor gets from a shared link: a page, and the audio, until the link ends."""

import html
import io
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import soundfile

from tests.audio import pcm
from tests.service import Service

SESSIONS = "/api/audio/sessions"
ENDED = "This link has ended."
GONE = "This link was revoked, or its address is not complete."


def share(service: Service, session_id: str, **wanted: Any) -> str:
    """Make a link; return the path of its page."""
    body = {"expires_in_seconds": 3600, **wanted}
    made = service.post(f"{SESSIONS}/{session_id}/links", json=body)
    assert made.status_code == 201, made.text
    return str(made.json()["url"]).removeprefix(service.url)


def end(service: Service, session_id: str) -> None:
    """Let the links of a session end."""
    for file in (service.folder / f"{session_id}.links").iterdir():
        fields = json.loads(file.read_bytes()) | {"expires_at": "2026-01-01T00:00:00Z"}
        file.write_text(json.dumps(fields))


async def test_the_page_plays_the_recording_and_loads_nothing_from_other_hosts(
    service: Service,
) -> None:
    title = "<b>Board & co</b> $root"
    session_id = await service.record(pcm(44_100 * 2))
    path = share(service, session_id)
    service.patch(f"{SESSIONS}/{session_id}", json={"title": title})
    page = service.get(path)
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "://" not in policy
    assert html.escape(title) in page.text
    assert "<b>" not in page.text
    assert ", 0:02</p>" in page.text
    assert f'<audio id="player" controls preload="metadata" src="{path}/audio">' in page.text
    assert "://" not in page.text
    for name in ("page.css", "shared.css", "shared.js", "icon.svg"):
        assert f'"/page/{name}"' in page.text
        assert service.get(f"/page/{name}").status_code == 200


async def test_the_audio_is_the_recording_in_any_range(service: Service) -> None:
    audio = pcm(5000)
    path = share(service, await service.record(audio)) + "/audio"
    whole = service.get(path)
    assert (whole.status_code, whole.content[80:]) == (200, audio)
    assert whole.headers["Cache-Control"] == "private, no-cache"
    part = service.get(path, headers={"Range": "bytes=80-99"})
    assert (part.status_code, part.content) == (206, audio[:20])
    head = requests.head(service.url + path, timeout=30)
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(80 + len(audio)))


async def test_a_link_to_a_part_gives_that_part_only_in_any_range(service: Service) -> None:
    audio = pcm(16_000)
    session_id = await service.record(audio, sample_rate=8000)
    path = share(service, session_id, start=0.5, end=1.5)
    assert ", 0:01</p>" in service.get(path).text
    part = service.get(f"{path}/audio?start=0&end=2&format=flac")
    assert part.content[80:] == audio[8000:24_000]
    ranged = service.get(f"{path}/audio", headers={"Range": "bytes=70-89"})
    assert (ranged.status_code, ranged.content) == (206, part.content[70:90])
    assert ranged.headers["Content-Range"] == f"bytes 70-89/{len(part.content)}"
    beyond = service.get(f"{path}/audio", headers={"Range": "bytes=99999-"})
    assert (beyond.status_code, beyond.json()["code"]) == (416, "range_not_satisfiable")


async def test_a_link_in_another_format_gives_that_format(service: Service) -> None:
    audio = pcm(8000)
    session_id = await service.record(audio, sample_rate=8000)
    answer = service.get(share(service, session_id, format="flac", end=0.5) + "/audio")
    assert answer.headers["Content-Type"] == "audio/flac"
    samples, _ = soundfile.read(io.BytesIO(answer.content), dtype="int16")
    assert samples.tobytes() == audio[:8000]


async def test_the_page_says_that_a_link_has_ended_or_was_revoked(service: Service) -> None:
    session_id = await service.record(pcm(10))
    path = share(service, session_id)
    links = f"{SESSIONS}/{session_id}/links"
    end(service, session_id)
    ended = service.get(path)
    assert (ended.status_code, ENDED in ended.text) == (403, True)
    assert service.get(f"{path}/audio").json()["code"] == "url_expired"
    service.delete(f"{links}/{service.get(links).json()['links'][0]['link_id']}")
    others = [
        path,
        path[:-1],
        f"/l/{session_id}/x",
        f"/l/x/{path.rpartition('/')[2]}",
        path.replace(session_id, "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"),
    ]
    for each in others:
        gone = service.get(each)
        assert (gone.status_code, GONE in gone.text) == (404, True)
        assert "default-src 'none'" in gone.headers["Content-Security-Policy"]
        assert service.get(f"{each}/audio").json()["code"] == "link_not_found"


async def test_a_link_opens_nothing_after_its_session_was_deleted(service: Service) -> None:
    session_id = await service.record(pcm(10))
    path = share(service, session_id)
    service.delete(f"{SESSIONS}/{session_id}")
    assert service.get(path).status_code == service.get(f"{path}/audio").status_code == 404


def test_behind_a_path_the_page_loads_its_files_below_that_path(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(public_url="https://host.example/recorder")
    session_id = service.post(SESSIONS).json()["session_id"]
    service.post(f"{SESSIONS}/{session_id}/close")
    made = service.post(f"{SESSIONS}/{session_id}/links", json={"expires_in_seconds": 9}).json()
    path = made["url"].removeprefix("https://host.example/recorder")
    page = service.get(path)
    assert f'src="/recorder{path}/audio"' in page.text
    assert 'href="/recorder/page/page.css"' in page.text


@pytest.mark.engine
def test_in_a_bucket_a_visit_on_any_node_redirects_to_a_url_of_a_minute(
    on_bucket: Callable[..., Service], seaweedfs_url: str
) -> None:
    first, second = on_bucket(), on_bucket()
    session_id = first.post(SESSIONS).json()["session_id"]
    first.post(f"{SESSIONS}/{session_id}/close")
    whole, short = share(first, session_id), share(first, session_id, expires_in_seconds=30)
    bucket = "{0.scheme}://{0.netloc}".format(urlsplit(seaweedfs_url))
    policy = second.get(whole).headers["Content-Security-Policy"]
    assert f"media-src 'self' {bucket};" in policy
    for path, longest_seconds in ((whole, 60), (short, 30)):
        visit = second.get(f"{path}/audio", allow_redirects=False)
        assert visit.status_code == 307
        target = visit.headers["Location"]
        assert target.startswith(bucket)
        (lifetime,) = parse_qs(urlsplit(target).query)["X-Amz-Expires"]
        assert longest_seconds - 25 < int(lifetime) <= longest_seconds
        assert requests.get(target, timeout=30).content[:4] == b"RIFF"
    links = f"{SESSIONS}/{session_id}/links"
    for each in second.get(links).json()["links"]:
        assert second.delete(f"{links}/{each['link_id']}").status_code == 200
    assert first.get(whole).status_code == first.get(f"{short}/audio").status_code == 404
