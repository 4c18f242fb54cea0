"""The service, as a client sees it."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

from sercuescribe_client.courier import Target
from sercuescribe_client.credentials import Credentials, Refresh
from sercuescribe_client.door import Door
from sercuescribe_client.downloading import OnBytes, download
from sercuescribe_client.errors import SessionNotFoundError
from sercuescribe_client.messages import SessionInfo, Status
from sercuescribe_client.session import Limits, Session


class Client:
    """One service and who is calling. Use it as a context, so that its connections are closed.

    ``key`` is an API key, ``token`` one of an identity provider or for one session. ``refresh``
    gives another one when the service says that it has expired.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        token: str | None = None,
        refresh: Refresh | None = None,
        limits: Limits | None = None,
    ) -> None:
        if key and token:
            raise ValueError("either a key or a token")
        self._door = Door(url, Credentials(key or token, refresh))
        self._limits = limits or Limits()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._door.close()

    def create(
        self,
        *,
        sample_rate: int | None = None,
        channels: int | None = None,
        format: str | None = None,  # noqa: A002 - the name it has in the protocol
        user_id: str | None = None,
    ) -> Session:
        """A new session, which exists from ``async with`` on. The service has defaults."""
        parameters = {
            "sample_rate": sample_rate,
            "channels": channels,
            "format": format,
            "user_id": user_id,
        }
        query = {name: str(value) for name, value in parameters.items() if value is not None}
        return Session(Target(door=self._door, path="", query=query), self._limits)

    def attach(self, session_id: str, *, resume: bool = True) -> Session:
        """A session that exists and is active, to go on with.

        With ``resume`` the first chunk continues what was sent last, in the middle of a file.
        Without it, the first chunk begins another input.
        """
        path = f"/{_checked(session_id)}"
        query = {"resume": "true" if resume else "false"}
        return Session(Target(door=self._door, path=path, query=query), self._limits)

    async def info(self, session_id: str) -> SessionInfo:
        return SessionInfo.from_json(await self._door.ask("GET", f"/{_checked(session_id)}"))

    async def list(
        self, *, status: Status | None = None, user_id: str | None = None, page_size: int = 100
    ) -> AsyncIterator[SessionInfo]:
        """The sessions there are, newest first, page after page."""
        filters = {"status": status, "user_id": user_id, "limit": str(page_size)}
        query = {name: value for name, value in filters.items() if value is not None}
        while True:
            page = await self._door.ask("GET", "", params=query)
            for session in page["sessions"]:
                yield SessionInfo.from_json(session)
            if page["next_cursor"] is None:
                return
            query["cursor"] = page["next_cursor"]

    async def close(self, session_id: str) -> SessionInfo:
        """Complete a session, whoever is sending to it."""
        answer = await self._door.ask("POST", f"/{_checked(session_id)}/close")
        return SessionInfo.from_json(answer["session"])

    async def download(
        self,
        session_id: str,
        path: str | os.PathLike[str],
        *,
        on_bytes: OnBytes = lambda _size, _total: None,
    ) -> Path:
        """The recording as a WAV file at ``path``, which appears there when it is whole.

        What has come of it waits in ``PATH.part``; a later call goes on from there.
        """
        target = Path(path)
        await download(
            self._door,
            _checked(session_id),
            target,
            patience_seconds=self._limits.patience_seconds,
            on_bytes=on_bytes,
        )
        return target

    async def delete(self, session_id: str) -> None:
        """Delete a session's audio and everything else of it."""
        await self._door.ask("DELETE", f"/{_checked(session_id)}")


def _checked(session_id: str) -> str:
    """Nothing but an id gets into a path."""
    try:
        return str(UUID(session_id))
    except ValueError:
        raise SessionNotFoundError(
            "session_not_found", f"{session_id!r} is not the id of a session", session_id
        ) from None
