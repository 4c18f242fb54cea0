"""An address on which the service cannot listen ends the start with one line that names it."""

import contextlib
import socket
from collections.abc import Callable, Iterator

import pytest

from api.cli.listening import listen, listen_for_metrics
from tests.service import Service


@pytest.fixture
def taken() -> Iterator[int]:
    """Return a port of 127.0.0.1 on which a socket listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_a_metrics_address_is_a_host_and_a_port_and_an_ipv6_address_has_brackets() -> None:
    for address, host in (("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1")):
        listening = listen_for_metrics(address)
        assert listening is not None
        with contextlib.closing(listening):
            assert listening.getsockname()[0] == host


def test_without_metrics_address_nothing_listens() -> None:
    assert listen_for_metrics("") is None


@pytest.mark.parametrize(
    "address", ["127.0.0.1:99999", "no-such-host.invalid:9100", f"{'x' * 64}.invalid:9100"]
)
def test_an_address_that_does_not_exist_ends_the_start_with_its_name(address: str) -> None:
    with pytest.raises(SystemExit, match=f"^sercuescribe: METRICS_ADDRESS={address}: "):
        listen_for_metrics(address)
    host, _, port = address.rpartition(":")
    with pytest.raises(SystemExit, match=f"^sercuescribe: {address}: "):
        listen(host, int(port))


def test_a_metrics_address_that_is_in_use_ends_the_start_before_the_service_listens(
    start_service: Callable[..., Service], taken: int
) -> None:
    with pytest.raises(RuntimeError) as failure:
        start_service(metrics_address=f"127.0.0.1:{taken}")
    log = str(failure.value)
    assert f"\nsercuescribe: METRICS_ADDRESS=127.0.0.1:{taken}: [Errno 98]" in log
    assert "Traceback" not in log
