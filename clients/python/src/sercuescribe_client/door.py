"""Requests to the service over HTTP, with credentials in and errors as exceptions out."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx

from sercuescribe_client.credentials import Credentials
from sercuescribe_client.errors import (
    FINAL_HTTP_STATUSES,
    CredentialsExpiredError,
    SercueScribeError,
    UnreachableError,
    error_for,
    error_told,
)

_TIMEOUT = httpx.Timeout(30, connect=10)
_MOST_REDIRECTS = 5


class Door:
    """The one address of a service, and who is calling."""

    def __init__(self, url: str, credentials: Credentials) -> None:
        self.url = _http_url(url)
        self.credentials = credentials
        self._http = httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False)

    async def close(self) -> None:
        await self._http.aclose()

    @property
    def ws_url(self) -> str:
        """Where sessions are streamed to: https becomes wss."""
        return f"ws{self.url.removeprefix('http')}/api/ws/audio"

    async def ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """One request to the HTTP interface and its answer, which is JSON."""
        async with self.open(method, f"/api/audio/sessions{path}", **options) as answer:
            body = await answer.aread()
        try:
            return dict(json.loads(body))
        except ValueError:
            raise SercueScribeError(
                "not_the_service", f"{self.url}: this is not a SercueScribe"
            ) from None

    @contextlib.asynccontextmanager
    async def open(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> AsyncIterator[httpx.Response]:
        """The answer to a request, its body not read yet. Redirects are followed.

        Credentials are for the service alone: no other origin is shown them.
        """
        shown = self.credentials.headers
        try:
            answer = await self._follow(method, self.url + path, headers or {}, options)
        except CredentialsExpiredError:
            if not await self.credentials.renew(shown):
                raise
            answer = await self._follow(method, self.url + path, headers or {}, options)
        try:
            yield answer
        except httpx.TransportError as error:
            raise _unreachable(self.url, error) from error
        finally:
            await answer.aclose()

    async def _follow(
        self, method: str, url: str, headers: Mapping[str, str], options: dict[str, Any]
    ) -> httpx.Response:
        for _ in range(_MOST_REDIRECTS):
            answer = await self._send(method, httpx.URL(url), headers, options)
            if not answer.has_redirect_location:
                if answer.is_error:
                    raise await _refused(answer)
                return answer
            url = str(answer.url.join(answer.headers["location"]))
            await answer.aclose()
            options = {name: value for name, value in options.items() if name != "params"}
        raise SercueScribeError("too_many_redirects", f"{url}: too many redirects")

    async def _send(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], options: dict[str, Any]
    ) -> httpx.Response:
        is_service = _origin(url) == _origin(httpx.URL(self.url))
        shown = self.credentials.headers if is_service else {}
        # A range is one of the bytes that are stored, so they must come as they are.
        own = {"Accept-Encoding": "identity"}
        request = self._http.build_request(
            method, url, headers={**own, **headers, **shown}, **options
        )
        try:
            return await self._http.send(request, stream=True)
        except httpx.TransportError as error:
            raise _unreachable(self.url, error) from error


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> SercueScribeError:
    """The error that an HTTP answer tells, with when to come back."""
    try:
        error = error_told(json.loads(body))
    except (ValueError, TypeError, KeyError):
        error = error_for(f"http_{status}", f"the service answered with HTTP status {status}")
    error.is_final = status in FINAL_HTTP_STATUSES
    with contextlib.suppress(ValueError):  # a date: nobody sends one
        error.retry_after_seconds = float(headers.get("retry-after", "0"))
    return error


async def _refused(answer: httpx.Response) -> SercueScribeError:
    try:
        return refusal(answer.status_code, answer.headers, await answer.aread())
    finally:
        await answer.aclose()


def _unreachable(url: str, error: Exception) -> UnreachableError:
    return UnreachableError("unreachable", f"{url}: {error or type(error).__name__}")


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    default = {"http": 80, "https": 443}.get(url.scheme)
    return url.scheme, url.host, url.port or default


def _http_url(url: str) -> str:
    """A WebSocket address means the same service; without a scheme it is http."""
    if "://" not in url:
        url = f"http://{url}"
    scheme, _, rest = url.rstrip("/").partition("://")
    scheme = {"ws": "http", "wss": "https"}.get(scheme, scheme)
    try:
        is_address = scheme in {"http", "https"} and httpx.URL(f"{scheme}://{rest}").host
    except httpx.InvalidURL:
        is_address = False
    if not is_address:
        raise ValueError(f"{url} is not the address of a service")
    return f"{scheme}://{rest}"
