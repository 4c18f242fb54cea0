"""Which callers may set a hold or a time of expiry, and which may lift a hold."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import UNSET

from api.access.identity import OPEN_ACCESS, Identity
from api.access.keeping import NEW, checked_changes
from api.wire.errors import InvalidParameterError, NotAllowedError
from storage.details import DetailChanges, Details

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
OWNER = Identity("alice", frozenset({"record", "read"}))
ADMIN = Identity("root", frozenset({"admin"}))
TOKEN = Identity("alice", frozenset({"record"}), session_id="019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b")
HELD = Details(hold=True, expires_at=LATER)


@pytest.mark.parametrize("identity", [OWNER, ADMIN, OPEN_ACCESS])
@pytest.mark.parametrize("new", [{"hold": True}, {"expires_at": LATER}, {"title": "x"}])
def test_the_owner_and_an_admin_set_a_hold_and_a_time(
    identity: Identity, new: dict[str, Any]
) -> None:
    changes = DetailChanges(**new)
    assert checked_changes(changes, NEW, identity, NOW) == changes


@pytest.mark.parametrize("identity", [ADMIN, OPEN_ACCESS])
def test_an_admin_lifts_a_hold_also_one_that_the_details_do_not_show(identity: Identity) -> None:
    changes = DetailChanges(hold=False)
    for current in (HELD, NEW):
        assert checked_changes(changes, current, identity, NOW) == changes


def test_the_owner_does_not_lift_a_hold() -> None:
    with pytest.raises(NotAllowedError, match="only an admin"):
        checked_changes(DetailChanges(hold=False, title="x"), HELD, OWNER, NOW)
    # Without a hold there is nothing to lift, so that one that an admin sets meanwhile stays.
    unchanged = checked_changes(DetailChanges(hold=False), NEW, OWNER, NOW)
    assert unchanged.hold is UNSET


@pytest.mark.parametrize(
    "new", [{"hold": True}, {"expires_at": LATER + timedelta(days=1)}, {"expires_at": None}]
)
def test_a_session_token_decides_nothing_of_how_long_the_session_is_kept(
    new: dict[str, Any],
) -> None:
    current = Details(expires_at=LATER)
    with pytest.raises(NotAllowedError, match="session token"):
        checked_changes(DetailChanges(**new), current, TOKEN, NOW)
    title = DetailChanges(title="x")
    assert checked_changes(title, current, TOKEN, NOW) == title


@pytest.mark.parametrize("identity", [OWNER, ADMIN])
def test_a_time_that_has_passed_is_refused_unless_it_is_there_already(identity: Identity) -> None:
    passed = DetailChanges(expires_at=NOW)
    with pytest.raises(InvalidParameterError):
        checked_changes(passed, NEW, identity, NOW)
    assert checked_changes(passed, Details(expires_at=NOW), identity, NOW) == DetailChanges()
