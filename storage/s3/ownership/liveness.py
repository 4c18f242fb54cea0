"""Which nodes live, judged by the changes of their objects between two listings.

A node writes its object again several times per lease. Whether it did so in time is told by the
monotonic clock of the node that lists, never by the wall clock of either node: those may differ by
hours. At first sight the store says how old an object is, by its own clock, so that a node that
starts need not wait for a lease to know which nodes are dead.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from storage.s3.client.bucket import ListedObject, ObjectHead

_STORE_CLOCK_SECONDS = 1.0  # resolution of LastModified and Date


class Version(NamedTuple):
    """What tells one content of an object from the next."""

    etag: str
    size_bytes: int
    modified_at: datetime

    @classmethod
    def of(cls, found: ListedObject | ObjectHead) -> "Version":
        return cls(found.etag, found.size_bytes, found.modified_at.replace(microsecond=0))


class _Sighting(msgspec.Struct):
    version: Version
    since: float  # monotonic seconds


class Liveness:
    """The objects of all nodes as listed, and since when each has not changed."""

    def __init__(self, lease_seconds: float) -> None:
        self._lease_seconds = lease_seconds
        self._sightings: dict[str, _Sighting] = {}
        self._asked_at = 0.0

    def __contains__(self, node_id: str) -> bool:
        return node_id in self._sightings

    def observe(
        self,
        listed: Mapping[str, ListedObject],
        *,
        asked_at: float,
        answered_at: float,
        store_time: datetime | None,
    ) -> None:
        """Take the objects of a complete listing, by node.

        ``asked_at`` and ``answered_at`` are monotonic seconds around it; ``store_time`` is the
        store's own time.
        """
        before, self._sightings = self._sightings, {}
        for node_id, found in listed.items():
            version, known = Version.of(found), before.get(node_id)
            if known is None:
                since = answered_at - _age_seconds(found, store_time)
            else:
                since = known.since if known.version == version else answered_at
            self._sightings[node_id] = _Sighting(version, since)
        self._asked_at = asked_at

    def version(self, node_id: str) -> Version:
        """Return the version of the object of a listed node."""
        return self._sightings[node_id].version

    def correct(self, node_id: str, version: Version | None, at: float) -> None:
        """Take what a request for the object itself has shown ``at`` monotonic seconds.

        ``version`` is None if there is no object.
        """
        if version is None:
            self._sightings.pop(node_id, None)
        elif version != self.version(node_id):
            self._sightings[node_id] = _Sighting(version, at)

    def living(self) -> list[str]:
        """Return the nodes whose object had changed within a lease before the last listing."""
        return [each for each in self._sightings if not self._is_silent(each)]

    def silent(self) -> list[str]:
        """Return the nodes whose object had not changed for a lease."""
        return [each for each in self._sightings if self._is_silent(each)]

    def _is_silent(self, node_id: str) -> bool:
        return self._asked_at - self._sightings[node_id].since > self._lease_seconds


def _age_seconds(found: ListedObject, store_time: datetime | None) -> float:
    """Return the least age of an object by the clock of the store; 0 if the store has none."""
    if store_time is None:
        return 0.0
    seconds = (store_time - found.modified_at).total_seconds() - _STORE_CLOCK_SECONDS
    return max(0.0, seconds)
