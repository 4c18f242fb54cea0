"""The variables with their defaults, limits and meanings."""

import re
from pathlib import Path

import pytest

from api.settings import Settings, SettingsError, describe, read_settings

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "tests" / "data" / "audio-streaming-api.md").read_text()


def documented() -> dict[str, str]:
    """Return the variables of the public document with their defaults."""
    block = re.search(r"```env\n(.*?)```", DOCUMENT, re.DOTALL)
    assert block is not None
    lines = (line for line in block[1].splitlines() if "=" in line)
    return dict(line.split("=", 1) for line in lines)


def test_every_documented_variable_exists_with_its_default() -> None:
    ours = {setting.variable: setting.default for setting in describe(Settings())}
    theirs = documented()
    assert len(theirs) == 11
    # The documented path is that of the image; a checkout uses a folder of its own.
    assert theirs.pop("AUDIO_STORAGE_PATH") == "/app/audio_sessions"
    assert "AUDIO_STORAGE_PATH=/app/audio_sessions" in (ROOT / "Dockerfile").read_text()
    assert ours["AUDIO_STORAGE_PATH"] == "./audio_sessions"
    assert {name: ours[name] for name in theirs} == theirs


def test_variables_are_read_from_the_environment() -> None:
    settings = read_settings(
        {"DEFAULT_SAMPLE_RATE": " 16000 ", "MAX_CHUNK_SIZE_MB": "0.5", "PUBLIC_URL": "https://x.y"}
    )
    assert settings.default_sample_rate == 16000
    assert settings.max_chunk_size_bytes == 524288
    assert settings.public_url == "https://x.y"


@pytest.mark.parametrize(
    ("variable", "value", "valid"),
    [
        ("DEFAULT_SAMPLE_RATE", "44000", "8000, 16000, 22050, 44100, 48000, 96000"),
        ("DEFAULT_CHANNELS", "two", "1, 2"),
        ("DEFAULT_FORMAT", "exe", "wav, mp3, flac, aac"),
        ("MAX_CONCURRENT_SESSIONS", "0", ">= 1"),
        ("MAX_CONNECTIONS_PER_SESSION", "33", "<= 32"),
        ("CONNECTION_TIMEOUT_SECONDS", "-1", "> 0"),
        ("CONNECTION_TIMEOUT_SECONDS", "soon", "float"),
        ("AUDIO_STORAGE_PATH", "", "length >= 1"),
        ("PUBLIC_URL", "example.org", "http"),
        ("LOG_LEVEL", "loud", "debug, info, warning, error"),
    ],
)
def test_an_invalid_value_is_refused_with_its_name_and_the_valid_values(
    variable: str, value: str, valid: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({variable: value})
    assert str(refused.value).startswith(f"{variable}={value!r} is not valid: expected ")
    assert valid in str(refused.value)


def test_links_of_more_than_seven_days_are_refused_with_a_bucket_only() -> None:
    bucket = {"STORAGE_BACKEND": "s3", "S3_BUCKET": "recordings"}
    week, longer = ({"DOWNLOAD_URL_TTL_SECONDS": seconds} for seconds in ("604800", "604801"))
    read_settings(bucket | week)
    read_settings(longer)
    with pytest.raises(SettingsError, match=r"DOWNLOAD_URL_TTL_SECONDS='604801' .* <= 604800"):
        read_settings(bucket | longer)


@pytest.mark.parametrize("variable", ["JWT_SECRET", "SIGNING_SECRET", "SIGNING_SECRET_PREVIOUS"])
def test_a_secret_of_fewer_than_32_bytes_is_refused_and_not_printed(variable: str) -> None:
    read_settings({variable: "ö" * 16})
    with pytest.raises(SettingsError) as refused:
        read_settings({variable: "hunter2" + "x" * 24})
    assert str(refused.value).startswith(f"{variable} is not valid: the secret has 31 bytes")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ALLOWED_ORIGINS", "https://app.example/path"),
        ("ALLOWED_ORIGINS", "app.example"),
        ("ALLOWED_HOSTS", "https://rec.example"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, proxy.example"),
        ("ALLOWED_HOSTS", "rec.example, rec.example:80"),
    ],
)
def test_a_list_with_an_invalid_entry_is_refused_with_what_is_valid(
    variable: str, value: str
) -> None:
    with pytest.raises(SettingsError, match=f"{variable} is not valid: .* expected"):
        read_settings({variable: value})


def test_every_variable_has_a_one_line_meaning() -> None:
    for setting in describe(Settings()):
        assert setting.meaning
        assert "\n" not in setting.meaning


def test_a_secret_is_not_printed() -> None:
    values = {s.variable: s.value for s in describe(Settings(signing_secret="hunter2"))}
    assert values["SIGNING_SECRET"] == "(set)"


def test_the_operations_manual_lists_exactly_these_variables() -> None:
    manual = (ROOT / "docs" / "operations.md").read_text()
    rows = re.findall(r"^\| `([A-Z0-9_]+)` \| (.*?) \| (.*?) \|$", manual, re.MULTILINE)
    listed = [(variable, default.strip("`"), meaning) for variable, default, meaning in rows]
    assert listed == [(s.variable, s.default, s.meaning) for s in describe(Settings())]


def test_secrets_and_urls_that_may_have_tokens_are_not_printed() -> None:
    given = {
        "WEBHOOK_URLS": "https://hooks.example/?token=hidden",
        "WEBHOOK_SECRETS": "whsec_hidden",
        "AUTHORIZE_URL": "https://auth.example/?token=hidden",
        "SIGNING_SECRET": "hidden" * 10,
    }
    values = {each.variable: each.value for each in describe(read_settings(given))}
    assert {values[variable] for variable in given} == {"(set)"}


def test_a_url_of_a_receiver_that_is_not_valid_is_refused_without_its_text() -> None:
    with pytest.raises(SettingsError, match=r"^AUTHORIZE_URL is not valid: ") as refused:
        read_settings({"AUTHORIZE_URL": "https://user:hidden@auth.example/"})
    assert "hidden" not in str(refused.value)
