"""The tests mirror the sources: each module has the test module of its name."""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = {
    Path("api"): Path("tests/api"),
    Path("storage"): Path("tests/storage"),
    Path("clients/python/src/sercuescribe_client"): Path("tests/clients/python"),
}

# Modules without behaviour of their own, and the reason.
NO_TESTS_NEEDED = {
    "api/audio/formats.py": "names of formats, and one exception",
    "api/cli/__main__.py": "calls the command",
    "api/dialects/events.py": "values and a protocol; tests/api/dialects/ of each dialect",
    "api/cli/worker.py": "calls worker_process; tests/test_workers.py",
    "api/cli/worker_process.py": "builds a worker of the parts; tests/test_workers.py",
    "api/server/worker_server.py": "builds a worker of the parts; tests/test_workers.py",
    "api/workers/child.py": "a part of the supervisor; tests/api/workers/test_supervisor.py",
    "api/workers/membership.py": "a value",
    "api/workers/start.py": "a value",
    "api/session/other_workers.py": "a protocol; tests/test_workers.py",
    "api/session/connection.py": "a protocol; tests/api/routes/test_client_socket.py",
    "clients/python/src/sercuescribe_client/__main__.py": "calls the command",
    "storage/archive.py": "a protocol; tests/storage/test_copying.py runs on every backend",
    "storage/base.py": "protocols; tests/storage/test_conformance.py runs on every backend",
    "storage/errors.py": "exceptions",
    "storage/leftovers.py": "a protocol; the tests of the backends",
}


def modules() -> Iterator[tuple[str, Path]]:
    """Yield the path of each source module, and the path of its test module."""
    for package, tests in PACKAGES.items():
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.name != "__init__.py":
                folder = path.relative_to(ROOT / package).parent
                yield str(path.relative_to(ROOT)), tests / folder / f"test_{path.name}"


def test_each_module_has_the_test_module_of_its_name() -> None:
    missing = {
        module: str(test)
        for module, test in modules()
        if module not in NO_TESTS_NEEDED and not (ROOT / test).exists()
    }
    assert missing == {}


def test_a_module_that_needs_no_tests_exists_and_has_none() -> None:
    tests = dict(modules())
    assert set(NO_TESTS_NEEDED) <= set(tests)
    assert [module for module in NO_TESTS_NEEDED if (ROOT / tests[module]).exists()] == []


def test_a_test_module_is_not_empty() -> None:
    found = [test for _, test in modules() if (ROOT / test).exists()]
    assert [str(test) for test in found if "def test_" not in (ROOT / test).read_text()] == []
