"""Shared links of a bucket: the requests that they cost, and deletions meanwhile."""

from collections import Counter
from uuid import UUID

import pytest

from storage.errors import RecordingNotFoundError
from storage.s3 import S3Storage
from storage.s3.keys import SessionKeys
from tests.faults import FaultyStore
from tests.storage.archives import record
from tests.storage.s3.conftest import AUDIO
from tests.storage.test_shared_links import link


async def test_a_link_is_found_with_one_read(writer: S3Storage, store: FaultyStore) -> None:
    session_id = UUID((await record(writer, AUDIO)).session_id)
    await writer.shared_links.add(session_id, link(1))
    since = len(store.requests)
    assert await writer.shared_links.get(session_id, link(1).link_id) == link(1)
    key = SessionKeys(session_id).link(link(1).link_id)
    sent = [each for each in store.requests[since:] if key in each.path]
    assert Counter(each.operation for each in sent) == {"GetObject": 1}


async def test_a_link_that_is_added_while_its_session_is_deleted_does_not_remain(
    writer: S3Storage,
) -> None:
    keys = SessionKeys(UUID((await record(writer, AUDIO)).session_id))
    await writer._bucket.delete([keys.audio])  # what a deletion does first
    with pytest.raises(RecordingNotFoundError):
        await writer.shared_links.add(keys.session_id, link(1))
    assert await writer._bucket.keys(keys.links) == []
