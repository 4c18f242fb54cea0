"""Fixtures: the client connected to a real service."""

from collections.abc import AsyncIterator

import pytest

from sercuescribe_client import Client
from tests.service import Service


@pytest.fixture
async def client(service: Service) -> AsyncIterator[Client]:
    async with Client(service.url) as client:
        yield client
