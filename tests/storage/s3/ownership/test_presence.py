"""What the object of a node says, in this release and in 0.2.0."""

import contextlib
import subprocess
import sys
from datetime import UTC, datetime
from uuid import uuid4

import msgspec
import pytest

from storage.errors import BadObjectError
from storage.s3.ownership.presence import Presence, decode_presence, is_loopback, loopback_id
from tests.damage import damaged

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class PresenceOf020(msgspec.Struct, frozen=True):
    """The content of a node's object as release 0.2.0 reads and writes it."""

    address: str
    expires_at: datetime
    signature: str = ""


def test_every_damage_of_a_presence_is_a_value_or_one_error() -> None:
    for data in damaged(msgspec.json.encode(Presence("http://node", NOW, "", "boot/1"))):
        with contextlib.suppress(BadObjectError):
            decode_presence(f"{uuid4()}", data)


def test_this_release_and_the_one_before_read_what_the_other_has_written() -> None:
    new = msgspec.json.encode(Presence("http://node", NOW, "signed", "boot/1", sweeps=True))
    old = PresenceOf020("http://node", NOW, "signed")
    assert msgspec.json.decode(new, type=PresenceOf020) == old
    found = decode_presence("node", msgspec.json.encode(old))
    assert found == Presence("http://node", NOW, "signed")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]", "localhost", "a.LOCALHOST",
             "0.0.0.0", "[::]"],
)  # fmt: skip
def test_a_loopback_address_is_recognised(host: str) -> None:
    assert is_loopback(f"http://{host}:8000")


@pytest.mark.parametrize(
    "address",
    ["http://10.0.0.7:8000", "http://[2001:db8::7]", "http://localhost.example", "http://[", ""],
)
def test_another_address_or_text_is_no_loopback_address(address: str) -> None:
    assert not is_loopback(address)


def test_processes_have_the_same_loopback_id_only_if_they_share_the_loopback_interface() -> None:
    code = "from storage.s3.ownership.presence import loopback_id; print(loopback_id())"
    program = [sys.executable, "-c", code]
    here = subprocess.run(program, capture_output=True, text=True, check=True)
    assert here.stdout.strip() == loopback_id() != ""
    alone = ["unshare", "--user", "--map-root-user", "--net", *program]
    elsewhere = subprocess.run(alone, capture_output=True, text=True, check=True)
    assert elsewhere.stdout.strip() not in {"", loopback_id()}
