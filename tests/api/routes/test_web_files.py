"""The files for browsers: complete, and in the wheel."""

import posixpath
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from api.routes.web_files import files
from tests.service import Service

ROOT = Path(__file__).parents[3]


CLIENT = {path for path in files() if path.startswith(("/client", "/microphone"))}


PAGES = {path for path in files() if path.startswith("/page/")}
PAGE_ROOTS = [f"/page/{name}.js" for name in ("main", "status", "shared")]
PAGE_ROOTS.append("/client/recorder-element.js")


@pytest.mark.parametrize(
    ("roots", "all_of_it"),
    [
        (["/client.js", "/client/recorder-element.js"], CLIENT),
        (PAGE_ROOTS, CLIENT | PAGES),
    ],
    ids=["client", "pages"],
)
def test_every_module_is_imported_from_a_root_module(
    service: Service, roots: list[str], all_of_it: set[str]
) -> None:
    found, left = set(), [*roots]
    while left:
        path = left.pop()
        found.add(path)
        text = service.get(path).text
        code = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)  # types are imported in comments
        named = re.findall(r"(?:from |URL\()'(\.[^']+\.js)'", code)
        targets = {
            posixpath.normpath(posixpath.join(posixpath.dirname(path), name)) for name in named
        }
        left += targets - found
    modules = {path for path in all_of_it if path.endswith(".js")}
    assert found == modules


def test_the_wheel_holds_every_served_file(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name: archive.read(name) for name in archive.namelist()}
    assert packed["clients/js/sercuescribe.js"] == files()["/client.js"].content
    served = {
        "clients/js" + path if path in CLIENT else "web" + path
        for path in files()
        if path != "/client.js"
    }
    assert served | {"web/index.html", "web/status.html"} < set(packed)
    assert not any("node_modules" in name for name in packed)
