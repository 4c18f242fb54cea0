"""The uvicorn server of the service."""

import subprocess
import sys

import pytest

from api.server.process import _page_url


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000/"),
        ("rec.example", "http://rec.example:8000/"),
        ("0.0.0.0", "http://127.0.0.1:8000/"),
        ("::", "http://[::1]:8000/"),
        ("2001:db8::1", "http://[2001:db8::1]:8000/"),
    ],
)
def test_a_browser_on_this_machine_can_open_the_url_of_the_page(host: str, url: str) -> None:
    assert _page_url(host, 8000) == url


_START = """
import asyncio, gc
import uvicorn
import api.app
from api.server.process import Server

async def app(scope, receive, send):
    pass

async def main():
    server = Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None), print)
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup()
    print(len(gc.get_objects()))
    await server.shutdown()

before = len(gc.get_objects())
asyncio.run(main())
print(before)
"""


def test_a_garbage_collection_looks_at_nothing_that_the_start_has_made() -> None:
    run = subprocess.run([sys.executable, "-c", _START], capture_output=True, check=True)
    after, before = map(int, run.stdout.split())
    assert after < 1000 < before
