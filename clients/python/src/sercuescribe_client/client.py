"""The client of one service: create, list, change, download, share and delete sessions."""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from uuid import UUID

from sercuescribe_client.api_client import ApiClient
from sercuescribe_client.credentials import Credentials, Refresh
from sercuescribe_client.download import (
    AudioFormat,
    PassedOn,
    ProgressCallback,
    Target,
    download,
)
from sercuescribe_client.errors import LinkNotFoundError, SessionNotFoundError
from sercuescribe_client.listening import AudioBlock, Position, listen
from sercuescribe_client.models import (
    LinkFormat,
    SessionInfo,
    SessionToken,
    SharedLink,
    Status,
)
from sercuescribe_client.partial_file import PartialFile
from sercuescribe_client.reconnecting_connection import SessionEndpoint
from sercuescribe_client.session import Limits, Session
from sercuescribe_client.verification import Verification, compare_file


class Client:
    """Call one service with one set of credentials. The context manager closes its connections.

    ``key`` is an API key; ``token`` is a token of an identity provider or of one session.
    ``refresh`` returns a new token when the service says that the token has expired.
    A request fails with ``UnreachableError`` after ``timeout_seconds`` without a connection, or
    without the next bytes of an answer; a session has the timeouts of its ``limits``.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        token: str | None = None,
        refresh: Refresh | None = None,
        limits: Limits | None = None,
        timeout_seconds: float = 30,
    ) -> None:
        if key and token:
            raise ValueError("give either a key or a token, not both")
        credentials = Credentials(key or token, refresh)
        self._api = ApiClient(url, credentials, timeout_seconds=timeout_seconds)
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

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    @property
    def url(self) -> str:
        """The HTTP URL of the service."""
        return self._api.url

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
        query = _query(
            sample_rate=sample_rate, channels=channels, format=format, user_id=user_id, title=title
        ) | _metadata_query(metadata)
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

    async def update(
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
        to: str | os.PathLike[str] = ".",
        *,
        format: AudioFormat | None = None,  # noqa: A002 - the parameter's name in the protocol
        start: float | None = None,
        end: float | None = None,
        on_progress: ProgressCallback = lambda _size_bytes, _total_bytes: None,
    ) -> Path:
        """Download the recording, or a part of it; return the path. Times are in seconds.

        ``to`` is a file, which appears when it is complete, or a folder, in which the id is its
        name. An incomplete WAV is kept in ``PATH.part``; a later call resumes it. Conversions to
        other formats, and parts, begin again.
        """
        session_id = _validated_id(session_id)
        path = _target_path(to, f"{session_id}.{format or 'wav'}")
        query = _query(format=format, start=start, end=end)
        with PartialFile(path) as file:
            pieces = self._download(session_id, file, query, on_progress)
            async with contextlib.aclosing(pieces):
                async for _ in pieces:
                    pass
            file.finish()
        return path

    async def stream(
        self,
        session_id: str,
        *,
        format: AudioFormat | None = None,  # noqa: A002 - the parameter's name in the protocol
        start: float | None = None,
        end: float | None = None,
        on_progress: ProgressCallback = lambda _size_bytes, _total_bytes: None,
    ) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of the file that ``download`` would write.

        After a lost connection a WAV is resumed; the download of anything else fails.
        """
        query = _query(format=format, start=start, end=end)
        pieces = self._download(_validated_id(session_id), PassedOn(), query, on_progress)
        async with contextlib.aclosing(pieces):
            async for data in pieces:
                yield data

    def _download(
        self,
        session_id: str,
        target: Target,
        query: Mapping[str, str],
        on_progress: ProgressCallback,
    ) -> AsyncGenerator[bytes, None]:
        return download(
            self._api,
            session_id,
            target,
            query,
            retry_timeout_seconds=self._limits.retry_timeout_seconds,
            on_progress=on_progress,
        )

    async def listen(
        self, session_id: str, *, begin: Position = "start"
    ) -> AsyncGenerator[AudioBlock, None]:
        """Yield the PCM of a session without a gap, also while it is recorded, until its end."""
        timeout_seconds = self._limits.retry_timeout_seconds
        blocks = listen(
            self._api, _validated_id(session_id), begin, retry_timeout_seconds=timeout_seconds
        )
        async with contextlib.aclosing(blocks):
            async for block in blocks:
                yield block

    async def waveform(
        self,
        session_id: str,
        *,
        width: int | None = None,
        start: float | None = None,
        end: float | None = None,
    ) -> dict[str, Any]:
        """Return the lowest and highest samples, in the format of audiowaveform and peaks.js.

        ``width`` is the maximum number of pixels; ``start`` and ``end`` are in seconds.
        """
        query = _query(width=width, start=start, end=end)
        path = f"/{_validated_id(session_id)}/waveform"
        return await self._api.request_json("GET", path, params=query)

    async def create_token(
        self, session_id: str, *, scope: Literal["record", "read"] = "record"
    ) -> SessionToken:
        """Return a token with which another program can record to this session, or read it."""
        path = f"/{_validated_id(session_id)}/tokens"
        fields = await self._api.request_json("POST", path, json={"scope": scope})
        return SessionToken.from_json(fields)

    async def verify(self, session_id: str, path: str | os.PathLike[str]) -> Verification:
        """Compare a downloaded WAV with the receipt of its session."""
        info = await self.info(session_id)
        return await asyncio.to_thread(compare_file, Path(path), info.receipt)

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


def _query(**parameters: object) -> dict[str, str]:
    return {name: str(value) for name, value in parameters.items() if value is not None}


def _target_path(to: str | os.PathLike[str], name: str) -> Path:
    path = Path(to)
    return path / name if path.is_dir() else path


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
