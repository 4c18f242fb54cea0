"""Deletes completed sessions for the tasks that look for them."""

from collections.abc import Callable
from uuid import UUID

from api.session.deletions import Deletions
from storage.base import AgedSession
from storage.errors import SessionHeldError
from storage.manifest import Manifest


async def delete_completed(
    deletions: Deletions,
    sessions: list[tuple[AgedSession, Manifest]],
    deleted: Callable[[str], None],
) -> dict[UUID, Exception]:
    """Delete the sessions; return the errors of those that remain, at least in part.

    ``deleted`` is called with the id of each deleted one. A hold that was set in the last moment is
    no error.
    """
    failed = await deletions.delete_completed(sessions) if sessions else {}
    for found, _ in sessions:
        if found.session_id not in failed:
            deleted(str(found.session_id))
    return {key: each for key, each in failed.items() if not isinstance(each, SessionHeldError)}
