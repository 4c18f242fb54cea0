"""Completed sessions are deleted together; what remains is an error unless it has a hold."""

import json
from datetime import timedelta
from pathlib import Path

from api.maintenance.deletion import delete_completed
from api.session.registry import Registry
from storage.details import Details
from storage.local import LocalStorage
from tests.api.conftest import PARAMETERS
from tests.conftest import ManualClock


async def test_a_hold_of_the_last_moment_keeps_a_session_and_is_no_error(
    registry: Registry, storage: LocalStorage, clock: ManualClock, tmp_path: Path
) -> None:
    details = Details(expires_at=clock.now() + timedelta(days=1))
    sessions = [await registry.create(PARAMETERS, None, details) for _ in range(2)]
    for session in sessions:
        await session.close()
    gone, kept = (str(each.session_id) for each in sessions)
    later = clock.now() + timedelta(days=2)
    (page,) = [page async for page in storage.expired(later)]
    manifest = tmp_path / f"{kept}.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"hold": True}))
    deleted: list[str] = []
    assert await delete_completed(registry.deletions, page.sessions, deleted.append) == {}
    assert deleted == [gone]
    assert {path.stem for path in tmp_path.glob("*.wav")} == {kept}
    assert await delete_completed(registry.deletions, [], deleted.append) == {}
