"""The signing secret and the keys derived from it."""

from pathlib import Path

import pytest

from api.access.signing import SigningKeys, check_stored_secret, stored_secret


def keys(*secrets: bytes) -> SigningKeys:
    return SigningKeys(lambda: secrets)


def test_a_stored_secret_is_stable_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secret"
    assert stored_secret(path) == stored_secret(path)
    assert len(stored_secret(path)) == 64
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_stored_secret_that_is_short_is_refused_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    check_stored_secret(path)
    stored_secret(path)
    check_stored_secret(path)
    for short in (b"s", b"s" * 31):
        path.write_bytes(short)
        with pytest.raises(ValueError, match=f"{path}: .*{len(short)} bytes"):
            check_stored_secret(path)


def test_an_empty_file_is_replaced_because_it_has_signed_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "secret"
    path.touch()
    check_stored_secret(path)
    assert len(stored_secret(path)) == 64
    assert str(path) in caplog.text


def test_each_purpose_has_keys_of_its_own_and_the_signing_one_comes_first() -> None:
    both, current = keys(b"new", b"old"), keys(b"new")
    assert both.for_purpose("links")[0] == current.for_purpose("links")[0]
    assert both.for_purpose("links")[1] == keys(b"old").for_purpose("links")[0]
    assert not set(both.for_purpose("links")) & set(both.for_purpose("tokens"))


def test_the_secret_is_read_once_and_when_it_is_needed() -> None:
    calls: list[int] = []

    def secrets() -> tuple[bytes, ...]:
        calls.append(1)
        return (b"secret",)

    lazy = SigningKeys(secrets)
    assert calls == []
    lazy.for_purpose("links")
    lazy.for_purpose("tokens")
    assert calls == [1]
