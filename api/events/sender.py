"""HTTP requests to receivers: no redirects, a time limit, little of the answer is read."""

# ruff: noqa: PLC0415 - only a service that sends something loads the HTTP client

import contextlib
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Literal, NamedTuple

from api.observe.tracing import Tracing

if TYPE_CHECKING:
    import aiohttp

Result = Literal["delivered", "refused", "gone", "timeout", "unreachable", "paused", "busy"]

_MAX_ANSWER_BYTES = 64 * 1024
_AGENT = "SercueScribe"
_GONE = 410


class Answer(NamedTuple):
    """What became of a request. ``status`` is 0 without an answer."""

    result: Result
    status: int = 0
    reason: str = ""
    retry_after_seconds: float = 0.0


class HttpSender:
    """Sends JSON, with the context of the trace. Checks certificates, uses no proxy, no cookies."""

    def __init__(self, tracing: Tracing | None = None) -> None:
        self._tracing = tracing or Tracing()
        self._session: aiohttp.ClientSession | None = None

    def prepare(self) -> None:
        """Load the HTTP client, which takes longer than the event loop may be blocked."""
        import aiohttp  # noqa: F401

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, timeout_seconds: float
    ) -> Answer:
        """Send a request. Raises nothing: every failure is an answer."""
        import aiohttp

        session = self._session = self._session or _new_session()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": _AGENT,
            **self._tracing.headers(),
            **headers,
        }
        timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        try:
            async with session.post(
                url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                await _drain(response)
                return _answer(response.status, response.headers)
        except TimeoutError:
            return Answer("timeout", reason=f"no answer within {timeout_seconds:g} s")
        except (aiohttp.ClientConnectionError, OSError) as error:
            return Answer("unreachable", reason=str(error) or type(error).__name__)
        except (aiohttp.ClientError, ValueError) as error:
            return Answer("unreachable", reason=type(error).__name__)  # its text has the URL

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def _new_session() -> "aiohttp.ClientSession":
    import aiohttp

    return aiohttp.ClientSession(
        # A receiver may close a connection at the moment at which it is used again.
        connector=aiohttp.TCPConnector(force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )


async def _drain(response: "aiohttp.ClientResponse") -> None:
    """Read the answer, so that the receiver can end it; close the connection if it is long."""
    import aiohttp

    left = _MAX_ANSWER_BYTES
    with contextlib.suppress(TimeoutError, aiohttp.ClientError):
        while left > 0 and (block := await response.content.read(left)):
            left -= len(block)
        if left > 0:
            return
    response.close()


def _answer(status: int, headers: Mapping[str, str]) -> Answer:
    if 200 <= status < 300:
        return Answer("delivered", status)
    return Answer(
        "gone" if status == _GONE else "refused",
        status,
        f"HTTP status {status}",
        _retry_after_seconds(headers.get("Retry-After", "")),
    )


def _retry_after_seconds(text: str) -> float:
    """Return the seconds or the date of a ``Retry-After`` (RFC 9110, section 10.2.3), else 0."""
    try:
        if text.isascii() and text.isdigit():
            seconds = float(text)
        else:
            seconds = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0
