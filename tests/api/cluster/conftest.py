"""Fixtures: two nodes on one bucket."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import engines
from tests.service import Service

Nodes = tuple[Service, Service]


@pytest.fixture
def nodes(start_service: Callable[..., Service], moto_url: str, tmp_path: Path) -> Nodes:
    """Two nodes that persist nothing on their own while a test runs."""
    first, second = (
        start_service(
            storage_backend="s3",
            s3_bucket=engines.BUCKET,
            s3_prefix=f"{tmp_path.name}/",
            s3_endpoint_url=moto_url,
            lease_seconds=60,
            segment_seconds=3600,
        )
        for _ in range(2)
    )
    return first, second
