from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from storage.s3 import BucketSettings
from storage.s3.client.credentials import Keys
from storage.s3.client.presigner import Presigner

SETTINGS = BucketSettings(
    bucket="recordings",
    prefix="team/",
    endpoint_url="http://store.internal:8333",
    region="eu-central-1",
)


KEYS = Keys("key", "secret")
DISPOSITION = 'attachment; filename="recording.wav"'


@pytest.fixture
def now() -> datetime:
    """Return the real time, because botocore reads the clock itself."""
    return datetime.now(UTC)


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_a_link_downloads_one_object_as_an_audio_file(now: datetime) -> None:
    link = Presigner(SETTINGS).link("a.wav", DISPOSITION, 60, now, keys=KEYS)
    assert link.url.startswith("http://store.internal:8333/recordings/team/a.wav?")
    query = query_of(link.url)
    assert query["X-Amz-Expires"] == "60"
    assert query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert query["response-content-type"] == "audio/wav"
    assert query["response-content-disposition"] == DISPOSITION


def test_a_link_uses_the_public_endpoint(now: datetime) -> None:
    settings = msgspec.structs.replace(SETTINGS, public_endpoint_url="https://audio.example.org")
    link = Presigner(settings).link("a.wav", DISPOSITION, 60, now, keys=KEYS)
    assert link.url.startswith("https://audio.example.org/recordings/team/a.wav?")


def test_without_path_style_the_bucket_is_in_the_host_name(now: datetime) -> None:
    settings = msgspec.structs.replace(SETTINGS, endpoint_url=None, path_style=False)
    url = urlsplit(Presigner(settings).link("a.wav", DISPOSITION, 60, now, keys=KEYS).url)
    assert (url.hostname or "").startswith("recordings.s3.")
    assert url.path == "/team/a.wav"


def test_a_link_expires_after_its_ttl(now: datetime) -> None:
    link = Presigner(SETTINGS).link("a.wav", DISPOSITION, 3600, now, keys=KEYS)
    signed_at = datetime.strptime(query_of(link.url)["X-Amz-Date"], "%Y%m%dT%H%M%S%z")
    assert now - timedelta(seconds=1) < link.expires_at - timedelta(hours=1) <= signed_at


@pytest.mark.parametrize(("ttl_seconds", "minutes"), [(60, 1), (36_000, 90)])
def test_a_link_expires_with_the_keys_that_signed_it(
    now: datetime, ttl_seconds: int, minutes: int
) -> None:
    keys = Keys("key", "secret", "token", now + timedelta(minutes=90))
    link = Presigner(SETTINGS).link("a.wav", DISPOSITION, ttl_seconds, now, keys=keys)
    assert query_of(link.url)["X-Amz-Security-Token"] == "token"
    ends_at = now + timedelta(minutes=minutes)
    assert ends_at - timedelta(seconds=1) < link.expires_at <= ends_at


def test_each_link_is_signed_with_the_keys_it_is_given(now: datetime) -> None:
    presigner = Presigner(SETTINGS)
    for name in ("first", "second"):
        keys = Keys(name, "secret")
        link = presigner.link("a.wav", DISPOSITION, 60, now, keys=keys)
        assert query_of(link.url)["X-Amz-Credential"].startswith(f"{name}/")
