"""Hooks: what the settings say of webhooks and of AUTHORIZE_URL."""

from pathlib import Path

import pytest

from api import hooks
from api.access.signed_links import LinkSigner
from api.access.signing import SigningKeys
from api.clock import SystemClock
from api.events.sender import HttpSender
from api.events.webhooks import Webhooks
from api.observe.tracing import Tracing
from api.settings import Settings, SettingsError
from storage.local import LocalStorage


def create(folder: Path, settings: Settings) -> Webhooks:
    signer = LinkSigner(SigningKeys(lambda: (bytes(32),)))
    return hooks.create_webhooks(
        settings,
        LocalStorage(folder),
        SystemClock(),
        HttpSender(Tracing()),
        signer,
        Tracing(),
        None,
    )


def test_endpoints_that_cannot_be_read_are_refused_by_the_name_of_the_setting(
    tmp_path: Path,
) -> None:
    with pytest.raises(SettingsError, match="WEBHOOK_SECRETS"):
        create(tmp_path, Settings(webhook_urls="https://hooks.example/"))
    with pytest.raises(SettingsError, match=r"missing\.toml"):
        create(tmp_path, Settings(webhooks_file=str(tmp_path / "missing.toml")))


def test_without_endpoints_there_is_nothing_to_deliver(tmp_path: Path) -> None:
    create(tmp_path, Settings())
    assert list(tmp_path.iterdir()) == []
