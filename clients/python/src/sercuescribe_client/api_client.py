"""HTTP requests to the service: they add credentials and raise the service's errors."""

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
    error_from_code,
    error_from_json,
    unreachable_error,
)

_MAX_CONNECT_SECONDS = 10
_MAX_REDIRECTS = 5


class ApiClient:
    """Send HTTP requests to one service with one set of credentials."""

    def __init__(self, url: str, credentials: Credentials, *, timeout_seconds: float) -> None:
        """Wait at most ``timeout_seconds`` for the next bytes, and for a connection."""
        self.url = _http_url(url)
        self.credentials = credentials
        connect_seconds = min(timeout_seconds, _MAX_CONNECT_SECONDS)
        timeout = httpx.Timeout(timeout_seconds, connect=connect_seconds)
        self._http = httpx.AsyncClient(timeout=timeout, follow_redirects=False)

    async def close(self) -> None:
        await self._http.aclose()

    @property
    def ws_url(self) -> str:
        """The WebSocket URL of the service's sessions: https becomes wss."""
        return f"ws{self.url.removeprefix('http')}/api/ws/audio"

    async def request_json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Send a request for a path below ``/api/audio/sessions``; return the JSON object."""
        url_path = f"/api/audio/sessions{path}"
        async with self.stream_response(method, url_path, **options) as response:
            body = await response.aread()
        try:
            return dict(json.loads(body))
        except ValueError:
            raise SercueScribeError(
                "not_the_service", f"{self.url} is not a SercueScribe service; check the address"
            ) from None

    @contextlib.asynccontextmanager
    async def stream_response(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> AsyncIterator[httpx.Response]:
        """Yield the response to a request before its body is read. Follow redirects.

        Credentials go to the origin of the service only.
        """
        credential_headers = self.credentials.headers
        try:
            response = await self._send_following_redirects(
                method, self.url + path, headers or {}, options
            )
        except CredentialsExpiredError:
            if not await self.credentials.renew(credential_headers):
                raise
            response = await self._send_following_redirects(
                method, self.url + path, headers or {}, options
            )
        try:
            yield response
        except httpx.TransportError as error:
            raise unreachable_error(self.url, error) from error
        finally:
            await response.aclose()

    async def _send_following_redirects(
        self, method: str, url: str, headers: Mapping[str, str], options: dict[str, Any]
    ) -> httpx.Response:
        for _ in range(_MAX_REDIRECTS):
            response = await self._send(method, httpx.URL(url), headers, options)
            if not response.has_redirect_location:
                if response.is_error:
                    raise await _read_error(response)
                return response
            url = str(response.url.join(response.headers["location"]))
            await response.aclose()
            options = {name: value for name, value in options.items() if name != "params"}
        raise SercueScribeError("too_many_redirects", f"{url}: too many redirects")

    async def _send(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], options: dict[str, Any]
    ) -> httpx.Response:
        is_service = _origin(url) == _origin(httpx.URL(self.url))
        credential_headers = self.credentials.headers if is_service else {}
        # A byte range refers to the stored bytes, so the response must not be compressed.
        all_headers = {"Accept-Encoding": "identity", **headers, **credential_headers}
        request = self._http.build_request(method, url, headers=all_headers, **options)
        try:
            return await self._http.send(request, stream=True)
        except httpx.TransportError as error:
            raise unreachable_error(self.url, error) from error


def error_from_response(status: int, headers: Mapping[str, str], body: bytes) -> SercueScribeError:
    """Return the error of an HTTP response, with the delay of its ``Retry-After`` header."""
    try:
        error = error_from_json(json.loads(body))
    except (ValueError, TypeError, KeyError):
        error = error_from_code(f"http_{status}", f"the service answered with HTTP status {status}")
    error.is_final = status in FINAL_HTTP_STATUSES
    with contextlib.suppress(ValueError):  # a date; the service sends seconds
        error.retry_after_seconds = float(headers.get("retry-after", "0"))
    return error


async def _read_error(response: httpx.Response) -> SercueScribeError:
    try:
        body = await response.aread()
        return error_from_response(response.status_code, response.headers, body)
    finally:
        await response.aclose()


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    default = {"http": 80, "https": 443}.get(url.scheme)
    return url.scheme, url.host, url.port or default


def _http_url(url: str) -> str:
    """Return the service's HTTP URL: ws becomes http, a missing scheme is http."""
    if "://" not in url:
        url = f"http://{url}"
    scheme, _, rest = url.rstrip("/").partition("://")
    scheme = {"ws": "http", "wss": "https"}.get(scheme, scheme)
    try:
        is_address = scheme in {"http", "https"} and httpx.URL(f"{scheme}://{rest}").host
    except httpx.InvalidURL:
        is_address = False
    if not is_address:
        raise ValueError(
            f"{url!r} is not the address of a service; expected for example http://host:8000"
        )
    return f"{scheme}://{rest}"
