"""The URL that other nodes get leads to this node."""

import logging
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest

from api.cli.node_url import is_all_addresses, is_loopback, node_url


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("10.0.0.7", "http://10.0.0.7:8000"),
        ("::1", "http://[::1]:8000"),
        ("2001:db8::7", "http://[2001:db8::7]:8000"),
        ("node-1.internal", "http://node-1.internal:8000"),
    ],
)
def test_a_node_that_listens_on_one_address_is_reached_there(host: str, expected: str) -> None:
    assert node_url(host, 8000) == expected


def addresses_of_this_machine() -> Iterator[str]:
    for *_, name in socket.getaddrinfo(socket.gethostname(), None):
        yield str(name[0])


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_node_that_listens_on_all_addresses_has_one_of_its_host_name(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    address = urlsplit(node_url(host, 8000)).hostname
    assert address in {*addresses_of_this_machine(), "127.0.0.1"}
    is_warned = "set NODE_URL" in caplog.text
    assert is_warned == ip_address(str(address)).is_loopback


def test_addresses_are_told_apart() -> None:
    hosts = ["127.0.0.1", "127.1.2.3", "::1", "localhost", "0.0.0.0", "::", "10.0.0.7", "x.example"]
    assert [host for host in hosts if is_loopback(host)] == hosts[:4]
    assert [host for host in hosts if is_all_addresses(host)] == hosts[4:6]
