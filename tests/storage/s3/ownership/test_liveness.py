"""A node lives as long as its object changes; the clocks of the nodes do not matter."""

from datetime import UTC, datetime, timedelta

import pytest

from storage.s3.client.bucket import ListedObject
from storage.s3.ownership.liveness import Liveness, Version

STORE_TIME = datetime(2026, 1, 1, tzinfo=UTC)
LEASE_SECONDS = 15.0
NODE = "node"


def listed(etag: str = "1", *, age_seconds: float = 0) -> dict[str, ListedObject]:
    return {NODE: ListedObject(NODE, 10, STORE_TIME - timedelta(seconds=age_seconds), etag)}


def observe(
    liveness: Liveness,
    found: dict[str, ListedObject],
    at: float,
    store_time: datetime | None = STORE_TIME,
) -> None:
    liveness.observe(found, asked_at=at, answered_at=at + 1, store_time=store_time)


@pytest.fixture
def liveness() -> Liveness:
    return Liveness(LEASE_SECONDS)


def test_a_node_is_silent_if_its_object_has_not_changed_for_a_lease(liveness: Liveness) -> None:
    observe(liveness, listed(), 0)
    observe(liveness, listed(), LEASE_SECONDS + 0.9)  # the first answer came after a second
    assert (liveness.living(), liveness.silent()) == ([NODE], [])
    observe(liveness, listed(), LEASE_SECONDS + 1.1)
    assert (liveness.living(), liveness.silent()) == ([], [NODE])


@pytest.mark.parametrize("changed", [
    listed("2"), listed(age_seconds=-1), {NODE: ListedObject(NODE, 11, STORE_TIME, "1")},
], ids=["etag", "time", "size"])  # fmt: skip
def test_any_change_of_the_object_begins_a_new_lease(
    liveness: Liveness, changed: dict[str, ListedObject]
) -> None:
    observe(liveness, listed(), 0)
    observe(liveness, changed, 100)
    assert liveness.living() == [NODE]
    observe(liveness, changed, 110)
    assert liveness.living() == [NODE]
    observe(liveness, changed, 117)
    assert liveness.silent() == [NODE]


def test_at_first_sight_the_store_says_how_long_a_node_is_silent(liveness: Liveness) -> None:
    observe(liveness, listed(age_seconds=LEASE_SECONDS + 3), 0)
    assert liveness.silent() == [NODE]
    observe(liveness, listed("2", age_seconds=3600), 1)  # changed: the times of the store are off
    assert liveness.living() == [NODE]


def test_without_the_time_of_the_store_a_node_lives_at_first_sight(liveness: Liveness) -> None:
    observe(liveness, listed(age_seconds=3600), 0, store_time=None)
    assert liveness.living() == [NODE]


def test_a_node_whose_object_is_gone_is_forgotten(liveness: Liveness) -> None:
    observe(liveness, listed(), 0)
    observe(liveness, {}, 1)
    assert NODE not in liveness
    assert liveness.living() == liveness.silent() == []


def test_a_request_for_the_object_corrects_a_listing_that_is_behind(liveness: Liveness) -> None:
    observe(liveness, listed(), 0)
    observe(liveness, listed(), 100)
    liveness.correct(NODE, liveness.version(NODE), 101)
    assert liveness.silent() == [NODE]
    liveness.correct(NODE, Version("2", 10, STORE_TIME), 101)
    assert liveness.living() == [NODE]
    liveness.correct(NODE, None, 102)
    assert NODE not in liveness
