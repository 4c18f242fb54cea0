"""Admission: what the settings say of secrets, credentials and origins."""

from pathlib import Path

import pytest

from api import admission
from api.access.origins import AllowedOrigins
from api.clock import SystemClock
from api.settings import Settings, SettingsError


def test_keys_that_cannot_be_read_are_refused_by_the_name_of_the_setting() -> None:
    with pytest.raises(SettingsError, match=r"^API_KEYS: "):
        admission.provider(Settings(auth_mode="api_key", api_keys="x"), SystemClock())


def test_without_authentication_callers_need_no_credentials() -> None:
    assert admission.provider(Settings(), SystemClock()) is None


def test_a_stored_secret_that_is_too_short_is_refused(tmp_path: Path) -> None:
    settings = Settings(audio_storage_path=str(tmp_path))
    (tmp_path / ".signing-key").write_text("ab" * 8)
    with pytest.raises(SettingsError, match="signing-key"):
        admission.check_secret(settings)


def test_the_previous_secret_is_accepted_after_the_one_that_signs(tmp_path: Path) -> None:
    settings = Settings(audio_storage_path=str(tmp_path), signing_secret_previous="p" * 32)
    stored, previous = admission.secrets(settings)
    assert (len(stored) >= 32, previous) == (True, b"p" * 32)
    assert admission.secrets(settings) == (stored, previous)


def test_signatures_of_platforms_need_the_address_that_the_platforms_call() -> None:
    settings = Settings(twilio_auth_token="x")
    with pytest.raises(SettingsError, match="PUBLIC_URL"):
        admission.call_signatures(settings, SystemClock())


def test_pages_of_the_listed_origins_may_send_keys_and_read_ranges() -> None:
    cors = admission.cors(AllowedOrigins(["https://app.example"], ""))
    assert cors.allow_origins == []
    assert cors.allow_origin_regex is not None
    assert "x-api-key" in cors.allow_headers
    assert "Content-Range" in cors.expose_headers
    assert not cors.allow_credentials
