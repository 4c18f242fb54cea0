"""GET /api/identity answers with the user and the scopes of the caller."""

from collections.abc import Callable

from api.access.api_keys import key_line, new_key
from tests.service import Service


def test_a_key_gets_its_user_and_scopes(start_service: Callable[..., Service]) -> None:
    key = new_key()
    service = start_service(auth_mode="api_key", api_keys=key_line(key, "alice", ["read"]))
    answer = service.get("/api/identity", headers={"Authorization": f"Bearer {key}"})
    assert answer.json() == {"user_id": "alice", "scopes": ["read"]}
    assert service.get("/api/identity").status_code == 401


def test_without_authentication_there_is_no_user_and_every_scope(service: Service) -> None:
    scopes = ["record", "read", "admin", "ingest"]
    assert service.get("/api/identity").json() == {"user_id": None, "scopes": scopes}
