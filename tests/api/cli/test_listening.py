"""An address that cannot be used ends the command before the service starts."""

import pytest

from api.cli.listening import listen, listen_for_metrics


def test_the_ipv6_address_of_metrics_has_brackets() -> None:
    listening = listen_for_metrics("[::1]:0")
    assert listening is not None
    with listening:
        assert listening.getsockname()[0] == "::1"


def test_without_metrics_address_there_is_no_socket() -> None:
    assert listen_for_metrics("") is None


def test_a_port_in_use_ends_the_command_with_one_line() -> None:
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(SystemExit, match=f"127.0.0.1:{port}: .*in use"):
            listen_for_metrics(f"127.0.0.1:{port}")
