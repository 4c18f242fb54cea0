"""Shared links of the sessions of a bucket: ``{session_id}.links/{link_id}``.

They are not below ``{session_id}/``, which is removed after the completion.
"""

import asyncio
from uuid import UUID

from storage import shared_links as links
from storage.errors import BadObjectError, RecordingNotFoundError
from storage.s3.client.bucket import Bucket
from storage.s3.keys import SessionKeys
from storage.shared_links import SharedLink


class S3SharedLinks:
    """See `storage.shared_links.SharedLinks`."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def add(self, session_id: UUID, link: SharedLink) -> None:
        session = SessionKeys(session_id)
        key = session.link(link.link_id)
        await self._bucket.put(key, links.encode(link), "application/json")
        try:
            await self._bucket.head(session.audio)
        except RecordingNotFoundError:  # a deletion removes the audio first
            await self._bucket.delete([key])
            raise

    async def get(self, session_id: UUID, link_id: str) -> SharedLink | None:
        key = SessionKeys(session_id).link(link_id)
        try:
            return links.decode(await self._bucket.get(key), link_id)
        except RecordingNotFoundError:
            return None
        except BadObjectError as error:
            self._bucket.skipped.report(key, error)
            return None

    async def all(self, session_id: UUID) -> list[SharedLink]:
        keys = await self._bucket.keys(SessionKeys(session_id).links)
        names = [key.rpartition("/")[2] for key in keys]
        found = await asyncio.gather(
            *(self.get(session_id, each) for each in names if links.is_link_id(each))
        )
        return links.in_order([each for each in found if each is not None])

    async def remove(self, session_id: UUID, link_id: str) -> bool:
        key = SessionKeys(session_id).link(link_id)
        try:
            await self._bucket.head(key)
        except RecordingNotFoundError:
            return False
        await self._bucket.delete([key])
        return True
