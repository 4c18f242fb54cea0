"""URLs in answers are those by which clients reach the service."""

from collections.abc import Callable

from tests.service import Service

SESSIONS = "/api/audio/sessions"


def test_without_public_url_they_have_the_address_of_the_request(service: Service) -> None:
    created = service.post(SESSIONS).json()
    assert created["ws_url"] == f"{service.ws_url}/{created['session_id']}"


def test_public_url_replaces_the_address_of_the_request(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(public_url="https://rec.example/audio/")
    created = service.post(SESSIONS).json()
    path = f"{SESSIONS}/{created['session_id']}"
    assert created["ws_url"] == f"wss://rec.example/audio/api/ws/audio/{created['session_id']}"
    link = service.get(f"{path}/download").json()["url"]
    assert link.startswith(f"https://rec.example/audio{path}/audio?")
