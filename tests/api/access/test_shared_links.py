"""Which links can be made, and their secrets."""

from datetime import UTC, datetime, timedelta

import pytest

from api.access.shared_links import (
    MAX_LINKS,
    link_id_of,
    new_link,
    new_secret,
    superfluous,
)
from api.observe.logs import redacted
from api.wire.errors import InvalidParameterError, TooManyLinksError
from api.wire.messages import MAX_LINK_SECONDS, CreateLink
from storage.shared_links import SharedLink, is_link_id

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def links(ended: int, living: int) -> list[SharedLink]:
    return [
        SharedLink(
            link_id=f"{number:032x}",
            created_at=NOW - timedelta(days=1),
            expires_at=NOW + timedelta(seconds=0 if number < ended else 1),
        )
        for number in range(ended + living)
    ]


def test_secrets_are_different_and_no_log_line_and_no_id_shows_one() -> None:
    first, second = new_secret(), new_secret()
    assert first != second
    assert first.isalnum()
    assert redacted(f'"GET /l/x/{first}/audio"') == '"GET /l/x/(redacted)/audio"'
    assert is_link_id(link_id_of(first))
    assert link_id_of(first)[:8] not in first
    assert is_link_id(link_id_of("\udcff/../ü"))


def test_a_link_has_the_parameters_that_were_given() -> None:
    wanted = CreateLink(expires_in_seconds=60, start=1.0, end=2.5, format="mp3")
    assert new_link("secret", wanted, NOW, 2.0) == SharedLink(
        link_id=link_id_of("secret"),
        created_at=NOW,
        expires_at=NOW + timedelta(seconds=60),
        start=1.0,
        end=2.5,
        format="mp3",
    )
    usual = new_link("secret", CreateLink(), NOW, 0.0)
    assert (usual.start, usual.end, usual.format) == (None, None, None)
    assert usual.expires_at - NOW == timedelta(days=7)
    assert new_link("secret", CreateLink(start=0.0), NOW, 0.0).start == 0.0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("expires_in_seconds", value) for value in (0, -1, MAX_LINK_SECONDS + 1)),
        *(("start", value) for value in (-0.1, 2.0, 1e300)),
        *(("end", value) for value in (0.0, 0.5, -1.0)),
    ],
)
def test_a_bad_parameter_is_named(name: str, value: float) -> None:
    wanted = CreateLink(**{"start": 0.5, name: value})  # type: ignore[arg-type]
    with pytest.raises(InvalidParameterError) as caught:
        new_link("secret", wanted, NOW, 2.0)
    assert caught.value.parameter == name


def test_ended_links_give_way_when_there_are_too_many() -> None:
    assert superfluous(links(1, MAX_LINKS - 2), NOW) == []
    full = links(2, MAX_LINKS - 2)
    assert superfluous(full, NOW) == full[:2]
    with pytest.raises(TooManyLinksError):
        superfluous(links(3, MAX_LINKS), NOW)
