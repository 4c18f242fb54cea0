"""What becomes of a request to a receiver."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from api.events.sender import Answer, HttpSender
from api.events.signature import parse_secret, signed_headers
from tests.ports import reserve_ports
from tests.webhook_receiver import SECRET, WebhookReceiver

BODY = b'{"type":"test","data":{"session_id":""}}'


async def post(sender: HttpSender, url: str, timeout_seconds: float = 10) -> Answer:
    headers = signed_headers([parse_secret(SECRET)], "id", int(datetime.now(UTC).timestamp()), BODY)
    return await sender.post(url, BODY, headers, timeout_seconds=timeout_seconds)


@pytest.mark.parametrize(
    ("status", "result"),
    [(200, "delivered"), (204, "delivered"), (410, "gone"), (404, "refused"), (500, "refused")],
)
async def test_the_status_is_the_result(
    sender: HttpSender, receiver: WebhookReceiver, status: int, result: str
) -> None:
    receiver.status = status
    answer = await post(sender, receiver.url)
    assert (answer.result, answer.status) == (result, status)
    assert receiver.requests[0].headers["content-type"] == "application/json"


async def test_a_redirect_is_not_followed(sender: HttpSender, receiver: WebhookReceiver) -> None:
    receiver.status, receiver.answer_headers = 307, {"Location": receiver.url}
    assert (await post(sender, receiver.url)).result == "refused"
    assert len(receiver.requests) == 1


async def test_a_receiver_that_does_not_answer_is_given_up_after_the_timeout(
    sender: HttpSender, receiver: WebhookReceiver
) -> None:
    receiver.go_on.clear()
    answer = await post(sender, receiver.url, timeout_seconds=0.1)
    assert answer.result == "timeout"


async def test_a_receiver_that_is_away_is_unreachable(sender: HttpSender) -> None:
    (port,) = reserve_ports(1)
    assert (await post(sender, f"http://127.0.0.1:{port}/")).result == "unreachable"
    assert (await post(sender, "http://name.invalid/")).result == "unreachable"


async def test_at_most_64_kib_of_an_answer_are_read(sender: HttpSender) -> None:
    sent, closed = 0, asyncio.Event()

    async def answer_without_end(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
                sent += 65536
        except OSError:
            closed.set()

    server = await asyncio.start_server(answer_without_end, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    answer = await post(sender, f"http://127.0.0.1:{port}/")
    assert answer.result == "delivered"
    await closed.wait()
    assert sent < 20_000_000  # what fits into the buffers of the sockets, not the answer
    server.close()


async def test_certificates_are_checked(sender: HttpSender, receiver: WebhookReceiver) -> None:
    answer = await post(sender, receiver.url.replace("http://", "https://"))
    assert answer.result == "unreachable"


async def test_retry_after_is_a_number_of_seconds_or_a_date(
    sender: HttpSender, receiver: WebhookReceiver
) -> None:
    receiver.status = 503
    in_an_hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    found = []
    for text in ("120", in_an_hour, "-5", "soon", "9" * 400, "Thu, 01 Jan 1970 00:00:00 GMT"):
        receiver.answer_headers = {"Retry-After": text}
        found.append((await post(sender, receiver.url)).retry_after_seconds)
    assert found[0] == 120
    assert 3500 < found[1] <= 3600
    assert found[2:] == [0, 0, 0, 0]


async def test_a_malformed_answer_is_a_failure(sender: HttpSender) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/9.9 what\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    found = await post(sender, f"http://127.0.0.1:{port}/?token=hidden")
    assert found.result == "unreachable"
    assert "hidden" not in found.reason
    server.close()


async def test_no_cookies_are_kept(sender: HttpSender, receiver: WebhookReceiver) -> None:
    receiver.answer_headers = {"Set-Cookie": "a=b"}
    await post(sender, receiver.url)
    await post(sender, receiver.url)
    assert "cookie" not in receiver.requests[1].headers
