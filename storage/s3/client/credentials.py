"""The credentials that sign requests and links: found as AWS tools find them, again and again.

botocore reads static keys of a file once. A service that records for weeks outlives its keys, so
it searches again when a file of the AWS tools changes, before keys with a known end expire, and
when the store refuses a request because of its keys.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import botocore.session
from aiobotocore.credentials import AioCredentials
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from storage import threads
from storage.errors import StorageUnavailableError

logger = logging.getLogger(__name__)

_FILES = ("credentials_file", "config_file")  # botocore's names: ~/.aws/credentials, ~/.aws/config
# A role gets new keys some minutes before the old ones expire. botocore begins to ask 15 before,
# which is always for keys that live no longer: for these, a quarter of the time that is left.
_RENEW_BEFORE_END = timedelta(minutes=15)
_RENEW_PART = 4

_REFUSED_STATUSES = {401, 403}
# AWS sends some of these with status 400. The answer to a HEAD request has no code of its own:
# botocore takes the status for it.
_REFUSED_CODES = {"ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired",
                  "InvalidAccessKeyId", "SignatureDoesNotMatch", "400"}  # fmt: skip
_KEYS, _IS_SIGNED_AGAIN = "sercuescribe_keys", "sercuescribe_is_signed_again"


class Keys(NamedTuple):
    """Keys that sign, and when they expire; ``ends_at`` is None if that is not known."""

    access_key: str
    secret_key: str
    token: str | None = None
    ends_at: datetime | None = None

    def __repr__(self) -> str:
        """Leave out the secrets: botocore logs the context of requests, which has the keys."""
        return f"Keys(ends_at={self.ends_at})"


class Credentials:
    """The current keys. To be used on the event loop; a search runs in a thread.

    One search runs at a time, and every request that needs its result waits for it. A search
    without a result leaves the last keys. Unless a file has changed, the next search begins at
    least ``search_interval_seconds`` later, so that a store that refuses everything causes few.
    """

    def __init__(
        self,
        find: Callable[[], Keys | None] | None = None,
        *,
        search_interval_seconds: float = 5.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``find`` returns the keys that AWS tools would use now. It may block."""
        self._find = find or find_keys
        self._search_interval_seconds = search_interval_seconds
        self._now = now
        self._monotonic = monotonic
        self._files = shared_files()
        self._file_states: list[tuple[int, int, int] | None] = []  # before the last search
        self._keys: Keys | None = None
        self._renew_at: datetime | None = None
        self._failure: Exception = NoCredentialsError()  # of the last search that failed
        self._search_task: asyncio.Task[None] | None = None
        self._may_search_at = monotonic()

    async def current(self) -> Keys:
        """Return the keys to sign with now. Raises `StorageUnavailableError` if there are none."""
        if self._states_of_files() != self._file_states:
            await self._search(is_urgent=True)
        elif self._keys is None or _has_come(self._keys.ends_at, self._now()):
            await self._search()
        elif _has_come(self._renew_at, self._now()):
            self._start_search()
        if self._keys is None:
            raise StorageUnavailableError(f"no credentials for the bucket: {self._failure}")
        return self._keys

    async def replace(self, refused: Keys) -> bool:
        """Return whether there are other keys now than those that the store has refused."""
        if self._keys is refused:
            await self._search()
        return self._keys is not None and self._keys[:3] != refused[:3]

    async def stop(self) -> None:
        """Stop waiting for a search."""
        if self._search_task is not None:
            self._search_task.cancel()
            await asyncio.gather(self._search_task, return_exceptions=True)

    def sign_requests_of(self, client: Any) -> None:
        """Sign all requests of a client; again, once, if the store refuses the keys."""
        client.meta.events.register("before-sign.s3", self._give_keys)
        client.meta.events.register("needs-retry.s3", self._retry_with_other_keys)

    async def _give_keys(self, request: Any, **_: Any) -> None:
        keys = await self.current()
        request.context[_KEYS] = keys
        signing = request.context.setdefault("signing", {})
        signing["request_credentials"] = AioCredentials(
            keys.access_key, keys.secret_key, keys.token
        )

    async def _retry_with_other_keys(
        self, request_dict: Any, response: Any = None, **_: Any
    ) -> int | None:
        """Return 0 for "at once", None for "no reason to retry"."""
        context = request_dict["context"]
        if context.get(_IS_SIGNED_AGAIN) or response is None or not _is_refused(*response):
            return None
        context[_IS_SIGNED_AGAIN] = True
        return 0 if await self.replace(context[_KEYS]) else None

    async def _search(self, *, is_urgent: bool = False) -> None:
        if (search := self._start_search(is_urgent=is_urgent)) is not None:
            await asyncio.shield(search)

    def _start_search(self, *, is_urgent: bool = False) -> "asyncio.Task[None] | None":
        """Return the search that runs, or a new one; None if it is too early for a new one."""
        if self._search_task is None or self._search_task.done():
            if self._monotonic() < self._may_search_at and not is_urgent:
                return None
            self._may_search_at = self._monotonic() + self._search_interval_seconds
            self._search_task = asyncio.create_task(self._search_once(), name="credentials")
        return self._search_task

    async def _search_once(self) -> None:
        # Before they are read: what is written meanwhile counts as a change.
        self._file_states = self._states_of_files()
        try:
            found = await threads.recording.run(self._find)
            if found is None:
                raise NoCredentialsError
        except (BotoCoreError, ClientError, OSError, RuntimeError, ValueError) as error:
            self._failure = error
            logger.warning("Failed to find credentials for the bucket: error=%s", error)
            return
        if self._keys is not None and self._keys[:3] != found[:3]:
            logger.info("Credentials for the bucket replaced")
        self._keys = found
        if found.ends_at is not None:
            left = found.ends_at - self._now()
            self._renew_at = found.ends_at - min(_RENEW_BEFORE_END, left / _RENEW_PART)
        else:
            self._renew_at = None

    def _states_of_files(self) -> list[tuple[int, int, int] | None]:
        return [_state(path) for path in self._files]


def find_keys() -> Keys | None:
    """Return the keys that AWS tools would use now, None if there are none. Blocks.

    A session of botocore remembers what it has read, so each search needs a new one.
    """
    found = botocore.session.Session().get_credentials()
    if found is None:
        return None
    frozen: Any = found.get_frozen_credentials()
    ends_at: datetime | None = getattr(found, "_expiry_time", None)
    return Keys(
        frozen.access_key,
        frozen.secret_key,
        frozen.token,
        ends_at.astimezone(UTC) if ends_at else None,
    )


def shared_files() -> list[Path]:
    """Return the files in which AWS tools look for keys, existing or not."""
    session = botocore.session.Session()
    return [Path(session.get_config_variable(name)).expanduser() for name in _FILES]


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _has_come(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and now >= moment


def _is_refused(http_response: Any, parsed: dict[str, Any]) -> bool:
    """Return whether the answer may mean that the store does not accept the keys."""
    code = parsed.get("Error", {}).get("Code")
    return http_response.status_code in _REFUSED_STATUSES or code in _REFUSED_CODES
