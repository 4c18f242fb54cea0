"""Files for browsers: the page, the JavaScript client, and third-party scripts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from api.routes.web_files import files
from tests.service import Service

ROOT = Path(__file__).parents[3]
ORIGIN = "http://pages.test"


CLIENT = {path for path in files() if path.startswith(("/client", "/microphone"))}
TYPES = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}


@pytest.mark.parametrize("path", files())
def test_every_file_is_served_with_its_media_type(service: Service, path: str) -> None:
    answer = service.get(path)
    assert answer.status_code == 200
    media_type, _, charset = answer.headers["content-type"].partition("; ")
    assert media_type == TYPES[path.rpartition(".")[2]]
    assert charset in {"", "charset=utf-8"}
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.content == files()[path].content


def test_the_content_security_policy_allows_only_the_page_itself(service: Service) -> None:
    answer = service.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["cache-control"] == "no-store"


def test_a_browser_with_the_current_module_gets_304(service: Service) -> None:
    etag = service.get("/client.js").headers["etag"]
    answer = service.get("/client.js", headers={"If-None-Match": etag})
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == etag


@pytest.mark.parametrize(
    "path",
    [
        "/client/none.js",
        "/client/..%2fsercuescribe.js",
        "/client/",
        "/vendor/none.js",
        "/page/..%2findex.html",
    ],
)
def test_any_other_path_gets_404(service: Service, path: str) -> None:
    assert service.get(path).json() == {"error": "Not Found", "code": "not_found"}


def test_only_pages_of_allowed_origins_may_import_the_client(
    service: Service, start_service: Callable[..., Service]
) -> None:
    allowing = start_service(allowed_origins=ORIGIN)
    headers = {"Origin": ORIGIN}
    allowed = "access-control-allow-origin"
    for path in ("/client.js", "/microphone-worklet.js", "/client/session-client.js"):
        answer = allowing.get(path, headers=headers)
        assert answer.headers[allowed] == ORIGIN
        assert "origin" in answer.headers["vary"].lower()
        again = allowing.get(path, headers=headers | {"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.headers[allowed]) == (304, ORIGIN)
        assert allowed not in service.get(path, headers=headers).headers
