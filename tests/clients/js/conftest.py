"""The JavaScript client in each release of Node that it supports."""

from collections.abc import AsyncIterator

import pytest

from tests.clients.js.runtimes import NODES, Node, node
from tests.parameters import long_except_first


@pytest.fixture(params=long_except_first(NODES))
async def runtime(request: pytest.FixtureRequest) -> AsyncIterator[Node]:
    """A Node with the client; the older releases need what `make test-long` installs."""
    async with node(request.param) as runtime:
        yield runtime
