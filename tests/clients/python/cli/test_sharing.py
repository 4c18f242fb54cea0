"""``sercuescribe sessions share``, ``links``, ``unshare`` against a real service."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.audio import pcm
from tests.clients.python.cli.command import events, run
from tests.service import Service


@pytest.fixture
async def session_id(service: Service) -> str:
    return await service.record(pcm(16_000), sample_rate=8000)


def test_a_link_is_printed_once_listed_and_revoked(service: Service, session_id: str) -> None:
    server = ("--server", service.url)
    assert run("sessions", "links", session_id, *server).stdout == ""
    options = ("--expires", "12h", "--start", "0.5", "--end", "1.5", "--format", "flac")
    done = run("sessions", "share", session_id, *options, *server)
    assert done.returncode == 0, done.stderr
    url = done.stdout.strip()
    assert service.get(f"{url.removeprefix(service.url)}/audio").content[:4] == b"fLaC"
    listed = run("sessions", "links", session_id, *server)
    assert url not in listed.stdout
    header, line = listed.stdout.splitlines()
    assert header.split() == ["LINK", "CREATED", "(UTC)", "ENDS", "(UTC)", "SECONDS", "FORMAT"]
    link_id, *_ = line.split()
    assert line.endswith("  0.5 to 1.5           flac")
    assert link_id in done.stderr
    assert run("sessions", "unshare", session_id, link_id, *server).stdout == f"{link_id} revoked\n"
    assert service.get(url.removeprefix(service.url)).status_code == 404
    assert run("sessions", "unshare", session_id, link_id, *server).returncode == 3


def test_a_link_may_end_at_a_time(service: Service, session_id: str) -> None:
    server = ("--json", "--server", service.url)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    done = run("sessions", "share", session_id, "--expires", tomorrow.isoformat(), *server)
    (link,) = events(done.stdout)
    left = datetime.fromisoformat(link["expires_at"]) - tomorrow
    assert abs(left) < timedelta(seconds=60)
    (listed,) = events(run("sessions", "links", session_id, *server).stdout)
    assert listed == link | {"url": None}
    refused = run("sessions", "share", session_id, "--expires", "2020-01-01", *server)
    assert refused.returncode == 2
    assert "is not in the future" in refused.stderr
    (gone,) = events(run("sessions", "unshare", session_id, link["link_id"], *server).stdout)
    assert gone["event"] == "unshared"
