"""The client of one service: create, list, change, download, share and delete sessions."""

import os
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from uuid import UUID

from sercuescribe_client.api_client import ApiClient
from sercuescribe_client.credentials import Credentials, Refresh
from sercuescribe_client.download import ProgressCallback, download
from sercuescribe_client.errors import LinkNotFoundError, SessionNotFoundError
from sercuescribe_client.models import LinkFormat, SessionInfo, SharedLink, Status
from sercuescribe_client.reconnecting_connection import SessionEndpoint
from sercuescribe_client.session import Limits, Session


class Client:
    """Call one service with one set of credentials. The context manager closes its connections.

    ``key`` is an API key; ``token`` is a token of an identity provider or of one session.
    ``refresh`` returns a new token when the service says that the token has expired.
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
            raise ValueError("give either a key or a token, not both")
        self._api = ApiClient(url, Credentials(key or token, refresh))
        self._limits = limits or Limits()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._api.close()

    def create(
        self,
        *,
        sample_rate: int | None = None,
        channels: int | None = None,
        format: str | None = None,  # noqa: A002 - the parameter's name in the protocol
        user_id: str | None = None,
        title: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Session:
        """Return a new session; ``async with`` creates it. The service has defaults."""
        parameters = {
            "sample_rate": sample_rate,
            "channels": channels,
            "format": format,
            "user_id": user_id,
            "title": title,
        }
        query = {name: str(value) for name, value in parameters.items() if value is not None}
        query |= _metadata_query(metadata)
        return Session(SessionEndpoint(api=self._api, path="", query=query), self._limits)

    def attach(self, session_id: str, *, resume: bool = True) -> Session:
        """Return an existing active session, to send more chunks to it.

        With ``resume`` the first chunk continues the last input stream, even in the middle of a
        file. Without it, the first chunk begins a new input stream.
        """
        path = f"/{_validated_id(session_id)}"
        query = {"resume": "true" if resume else "false"}
        return Session(SessionEndpoint(api=self._api, path=path, query=query), self._limits)

    async def info(self, session_id: str) -> SessionInfo:
        fields = await self._api.request_json("GET", f"/{_validated_id(session_id)}")
        return SessionInfo.from_json(fields)

    async def list(
        self,
        *,
        status: Status | None = None,
        user_id: str | None = None,
        has_warnings: bool | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        text: str | None = None,
        metadata: Mapping[str, str] | None = None,
        oldest_first: bool = False,
        page_size: int = 100,
    ) -> AsyncIterator[SessionInfo]:
        """Yield all sessions that match, newest first; fetch them in pages.

        ``text`` is a part of the title, of a value of metadata or of the user, or the beginning of
        the id. ``metadata`` are values that must be equal, by name. Times without a zone are local.
        """
        filters = {
            "status": status,
            "user_id": user_id,
            "has_warnings": None if has_warnings is None else str(has_warnings).lower(),
            "from": created_from and created_from.astimezone(UTC).isoformat(),
            "to": created_to and created_to.astimezone(UTC).isoformat(),
            "q": text,
            "sort": "oldest" if oldest_first else None,
            "limit": str(page_size),
        }
        query = {name: value for name, value in filters.items() if value is not None}
        query |= _metadata_query(metadata)
        while True:
            page = await self._api.request_json("GET", "", params=query)
            for session in page["sessions"]:
                yield SessionInfo.from_json(session)
            if page["next_cursor"] is None:
                return
            query["cursor"] = page["next_cursor"]

    async def edit(
        self,
        session_id: str,
        *,
        title: str | None = None,
        metadata: Mapping[str, str] | None = None,
        hold: bool | None = None,
        expires_at: datetime | Literal["never"] | None = None,
    ) -> SessionInfo:
        """Change title, metadata and how long the session is kept, also while it records.

        None leaves a value as it is; an empty title and empty metadata remove the old ones.
        ``metadata`` replaces all metadata. ``hold``: nothing deletes the session; only an admin
        lifts it. ``expires_at``: when the service deletes the completed session; without a zone it
        is local time, and "never" removes it.
        """
        changes: dict[str, object] = {
            "title": title,
            "metadata": None if metadata is None else dict(metadata),
            "hold": hold,
        }
        body = {name: value for name, value in changes.items() if value is not None}
        if expires_at is not None:
            time = None if expires_at == "never" else expires_at.astimezone(UTC).isoformat()
            body["expires_at"] = time
        fields = await self._api.request_json("PATCH", f"/{_validated_id(session_id)}", json=body)
        return SessionInfo.from_json(fields)

    async def pause(self, session_id: str) -> SessionInfo:
        """Record none of the chunks that the service receives from now on, until `resume`."""
        fields = await self._api.request_json("POST", f"/{_validated_id(session_id)}/pause")
        return SessionInfo.from_json(fields)

    async def resume(self, session_id: str) -> SessionInfo:
        """End the pause of a session."""
        fields = await self._api.request_json("POST", f"/{_validated_id(session_id)}/resume")
        return SessionInfo.from_json(fields)

    async def mark(self, session_id: str, label: str) -> SessionInfo:
        """Add a mark to the timeline, at the last recorded frame."""
        path = f"/{_validated_id(session_id)}/marks"
        return SessionInfo.from_json(
            await self._api.request_json("POST", path, json={"label": label})
        )

    async def timeline(self, session_id: str) -> dict[str, Any]:
        """Return the connections, gaps, pauses and marks of a session, as the service has them."""
        return await self._api.request_json("GET", f"/{_validated_id(session_id)}/timeline")

    async def close(self, session_id: str) -> SessionInfo:
        """Complete a session, even if another client is sending to it."""
        answer = await self._api.request_json("POST", f"/{_validated_id(session_id)}/close")
        return SessionInfo.from_json(answer["session"])

    async def download(
        self,
        session_id: str,
        path: str | os.PathLike[str],
        *,
        on_progress: ProgressCallback = lambda _size_bytes, _total_bytes: None,
    ) -> Path:
        """Download the recording as a WAV file to ``path``, which appears when it is complete.

        An incomplete download is kept in ``PATH.part``; a later call resumes it.
        """
        target = Path(path)
        await download(
            self._api,
            _validated_id(session_id),
            target,
            retry_timeout_seconds=self._limits.retry_timeout_seconds,
            on_progress=on_progress,
        )
        return target

    async def share(
        self,
        session_id: str,
        *,
        lifetime: timedelta | None = None,
        start_seconds: float | None = None,
        end_seconds: float | None = None,
        format: LinkFormat | None = None,  # noqa: A002 - the parameter's name in the protocol
    ) -> SharedLink:
        """Return a new link that plays a completed recording, or a part, without an account.

        The service has a default for ``lifetime``, which counts in whole seconds. It tells the
        address of the link only here.
        """
        wanted = {
            "expires_in_seconds": None if lifetime is None else int(lifetime.total_seconds()),
            "start": start_seconds,
            "end": end_seconds,
            "format": format,
        }
        body = {name: value for name, value in wanted.items() if value is not None}
        path = f"/{_validated_id(session_id)}/links"
        return SharedLink.from_json(await self._api.request_json("POST", path, json=body))

    async def links(self, session_id: str) -> tuple[SharedLink, ...]:
        """Return the links of a session, the oldest first; also those that have ended."""
        answer = await self._api.request_json("GET", f"/{_validated_id(session_id)}/links")
        return tuple(map(SharedLink.from_json, answer["links"]))

    async def unshare(self, session_id: str, link_id: str) -> None:
        """Revoke a link at once. Raises `LinkNotFoundError`."""
        if not (link_id.isascii() and link_id.isalnum()):
            raise LinkNotFoundError("link_not_found", f"{link_id!r} is not the id of a link")
        await self._api.request_json("DELETE", f"/{_validated_id(session_id)}/links/{link_id}")

    async def delete(self, session_id: str) -> None:
        """Delete a session with its audio."""
        await self._api.request_json("DELETE", f"/{_validated_id(session_id)}")


def _metadata_query(metadata: Mapping[str, str] | None) -> dict[str, str]:
    return {f"metadata.{key}": value for key, value in (metadata or {}).items()}


def _validated_id(session_id: str) -> str:
    """Return the id in its canonical form, so that no other text gets into a URL path."""
    try:
        return str(UUID(session_id))
    except ValueError:
        raise SessionNotFoundError(
            "session_not_found", f"{session_id!r} is not a session id", session_id
        ) from None
