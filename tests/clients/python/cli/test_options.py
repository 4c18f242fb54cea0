"""The options that every command has."""

from datetime import UTC, datetime, timedelta

import click
import pytest

from sercuescribe_client.cli.options import parse_expiry
from tests.clients.python.cli.command import run
from tests.service import Service


def test_an_invalid_address_is_exit_code_2() -> None:
    assert run("sessions", "list", "--server", "ftp://x").returncode == 2


def test_the_server_and_the_key_may_be_variables(service: Service) -> None:
    environ = {"SERCUESCRIBE_SERVER": service.url, "SERCUESCRIBE_KEY": "ignored"}
    assert run("sessions", "list", environ=environ).returncode == 0
    assert "SERCUESCRIBE_KEY" in run("sessions", "list", "--help").stdout


def test_an_option_counts_more_than_its_variable(service: Service) -> None:
    environ = {"SERCUESCRIBE_SERVER": "http://127.0.0.1:1"}
    assert run("sessions", "list", "--server", service.url, environ=environ).returncode == 0


@pytest.mark.parametrize("pair", ["project", "=radio"])
def test_metadata_that_are_no_pair_are_refused(pair: str) -> None:
    refused = run("record", "-", "--meta", pair)
    assert refused.returncode == 2
    assert "KEY=VALUE" in refused.stderr


def test_a_negative_time_of_retries_is_refused() -> None:
    refused = run("download", "x", "--retry-timeout", "-1")
    assert refused.returncode == 2
    assert "--retry-timeout" in refused.stderr


@pytest.mark.parametrize("text", ["soon", "7", "-1d", "9999999999999d"])
def test_a_lifetime_that_cannot_be_read_is_refused(text: str) -> None:
    refused = run("sessions", "share", "x", "--expires", text)
    assert refused.returncode == 2
    assert "7d" in refused.stderr


@pytest.mark.parametrize("time", ["soon", "99999999d", "2026-13-01"])
def test_a_time_of_expiry_that_is_none_is_refused(time: str) -> None:
    assert run("sessions", "edit", "x", "--expires-at", time).returncode == 2


def test_an_age_is_a_time_in_the_future_for_expiry() -> None:
    option = click.Option(["--expires-at"])
    context = click.Context(click.Command("edit"))
    assert parse_expiry(context, option, "never") == "never"
    assert parse_expiry(context, option, None) is None
    in_a_week = parse_expiry(context, option, "7d")
    assert isinstance(in_a_week, datetime)
    assert timedelta(days=6) < in_a_week - datetime.now(UTC) < timedelta(days=8)
