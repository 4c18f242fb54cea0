"""The JavaScript client as pages get it."""

import posixpath
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from api.client import modules
from tests.service import Service

ROOT = Path(__file__).parent.parent.parent
ORIGIN = "http://pages.test"


@pytest.mark.parametrize("path", modules())
def test_a_module_is_served_as_javascript(service: Service, path: str) -> None:
    answer = service.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.content == modules()[path].source


def test_one_address_leads_to_all_modules(service: Service) -> None:
    found, left = set(), ["/client.js"]
    while left:
        path = left.pop()
        found.add(path)
        text = service.get(path).text
        named = re.findall(r"(?:from |URL\()'(\.[^']+)'", text)
        targets = {
            posixpath.normpath(posixpath.join(posixpath.dirname(path), name)) for name in named
        }
        left += targets - found
    assert found == set(modules())


def test_a_module_that_a_browser_has_is_not_sent_again(service: Service) -> None:
    etag = service.get("/client.js").headers["etag"]
    answer = service.get("/client.js", headers={"If-None-Match": etag})
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == etag


@pytest.mark.parametrize("path", ["/client/none.js", "/client/..%2fsercuescribe.js", "/client/"])
def test_there_is_nothing_else(service: Service, path: str) -> None:
    assert service.get(path).json() == {"error": "Not Found", "code": "not_found"}


def test_pages_of_other_origins_may_import_it_where_they_are_allowed(
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


def test_the_wheel_has_the_client(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name: archive.read(name) for name in archive.namelist()}
    assert packed["clients/js/sercuescribe.js"] == modules()["/client.js"].source
    names = {f"clients/js{path}" for path in modules() if path != "/client.js"}
    assert names < set(packed)
