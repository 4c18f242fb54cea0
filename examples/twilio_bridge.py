"""Record telephone calls: Twilio's Media Streams in, one SercueScribe session for each call.

    python examples/twilio_bridge.py --public-url wss://bridge.example.com/calls

Twilio connects to a public `wss` address only: put a proxy that speaks TLS in front of the bridge,
which listens on loopback. What Twilio asks for when a call comes in (TwiML) names that address:

    <Response>
      <Start>
        <Stream url="wss://bridge.example.com/calls" track="both_tracks" />
      </Start>
      <Dial>+15551234567</Dial>
    </Response>

With `track="both_tracks"` the recording is stereo, what Twilio hears (inbound) on the left, what
it says (outbound) on the right; with one track it is mono. Timestamps say where each message
belongs, so the time of the recording is that of the call: what is missing is silence, what comes
late is put in its place for half a second. However the call ends, its session is completed.

Set TWILIO_AUTH_TOKEN, or anybody who finds the address can record. A call keeps at most some
megabytes in memory while the service is away; then the bridge reads no more of it, and Twilio
waits or hangs up.
"""

import asyncio
import base64
import contextlib
import hmac
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Annotated, Literal

import click
import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from sercuescribe_client import Client, Limits, SercueScribeError

SAMPLE_RATE = 8000
FRAMES_PER_MS = SAMPLE_RATE // 1000
SILENCE = b"\xff"  # the zero of mu-law

REORDER_FRAMES = SAMPLE_RATE // 2  # held back, so that late messages can be put in their place
MIN_SEND_FRAMES = SAMPLE_RATE // 10  # sent together
MAX_GAP_FRAMES = SAMPLE_RATE * 600  # a timestamp further ahead is invalid

# Timestamps are whole milliseconds, messages have 20 ms: a difference below half a message is no
# gap, and silence there would sound like a click.
MAX_JITTER_FRAMES = FRAMES_PER_MS * 10

MAX_MESSAGE_BYTES, MAX_CHUNK_BYTES = 64 * 1024, 64 * 1024
LIMITS = Limits(max_unpersisted_bytes=4 * 2**20)

Track = Literal["inbound", "outbound"]


class MediaFormat(msgspec.Struct, rename="camel"):
    encoding: Literal["audio/x-mulaw"]
    sample_rate: Literal[8000]
    channels: Literal[1]


class Start(msgspec.Struct, rename="camel"):
    call_sid: str
    tracks: Annotated[list[Track], msgspec.Meta(min_length=1)]
    media_format: MediaFormat


class Media(msgspec.Struct):
    track: Track
    timestamp: Annotated[int, msgspec.Meta(ge=0)]  # milliseconds since the stream began
    payload: bytes


class Message(msgspec.Struct):
    """A message of Twilio. Marks and pressed keys are ignored."""

    event: str
    start: Start | None = None
    media: Media | None = None


DECODER = msgspec.json.Decoder(Message, strict=False)  # Twilio writes numbers as strings


class Timeline:
    """Merge the tracks of a call into channels, each message at its timestamp."""

    def __init__(self, tracks: list[Track]) -> None:
        self.tracks = sorted(set(tracks))
        self._ends = dict.fromkeys(self.tracks, 0)  # the frame after the last of each track
        self._begin = 0  # the frame that the window begins with
        self._window = bytearray()

    def add(self, media: Media) -> bytes:
        """Add a message; return the interleaved audio that no later message can change."""
        if media.track not in self._ends:
            return b""
        begin, end = media.timestamp * FRAMES_PER_MS, self._ends[media.track]
        if abs(begin - end) < MAX_JITTER_FRAMES:
            begin = end
        if begin > max(self._ends.values()) + MAX_GAP_FRAMES:
            raise msgspec.ValidationError("the timestamp is too far ahead")
        audio = media.payload[max(self._begin - begin, 0) :]  # without what came too late
        begin = max(begin, self._begin)
        self._ends[media.track] = max(end, begin + len(audio))
        self._write(self.tracks.index(media.track), begin - self._begin, audio)
        complete_frames = self._frames - REORDER_FRAMES
        return self._take(complete_frames) if complete_frames >= MIN_SEND_FRAMES else b""

    def flush(self) -> bytes:
        return self._take(self._frames)

    @property
    def _frames(self) -> int:
        return len(self._window) // len(self.tracks)

    def _write(self, channel: int, place: int, audio: bytes) -> None:
        width, end = len(self.tracks), place + len(audio)
        self._window += SILENCE * ((end - self._frames) * width)
        self._window[place * width + channel : end * width : width] = audio

    def _take(self, frames: int) -> bytes:
        size = frames * len(self.tracks)
        taken = bytes(self._window[:size])
        del self._window[:size]
        self._begin += frames
        return taken


async def receive_messages(call: ServerConnection) -> AsyncIterator[Message]:
    """Yield the messages until the call or its connection ends."""
    with contextlib.suppress(ConnectionClosed):
        async for text in call:
            message = DECODER.decode(text)
            if message.event == "stop":
                return
            yield message


async def record(call: ServerConnection, client: Client) -> None:
    """Record one connection, which is one call, into one session."""
    try:
        messages = receive_messages(call)
        async for message in messages:
            if message.start is not None:
                await record_stream(message.start, messages, client)
    except msgspec.DecodeError as error:
        await call.close(1008, f"no media stream: {error}"[:120])
    except SercueScribeError as error:
        click.echo(f"not recorded: {error}", err=True)
        await call.close(1011, "the recording failed")


async def record_stream(start: Start, messages: AsyncIterator[Message], client: Client) -> None:
    timeline = Timeline(start.tracks)
    channels = len(timeline.tracks)
    new = client.create(format="mulaw", sample_rate=SAMPLE_RATE, channels=channels)
    async with new as session:
        click.echo(f"{start.call_sid} is recorded: {session.url}")
        input_error: msgspec.DecodeError | None = None
        try:
            async for message in messages:
                if message.media is not None:
                    for chunk in split_chunks(timeline.add(message.media)):
                        await session.send(chunk)
        except msgspec.DecodeError as error:
            input_error = error  # the audio before it is recorded
        for chunk in split_chunks(timeline.flush()):
            await session.send(chunk)
    click.echo(f"{start.call_sid} is over: {session.progress.duration_seconds:.2f} s")
    if input_error is not None:
        raise input_error


def split_chunks(audio: bytes) -> Iterator[bytes]:
    return (
        audio[begin : begin + MAX_CHUNK_BYTES] for begin in range(0, len(audio), MAX_CHUNK_BYTES)
    )


def require_signature(
    auth_token: str, url: str
) -> Callable[[ServerConnection, Request], Response | None]:
    """Return a check of the signature that Twilio makes of the address and the account's token."""
    signature = base64.b64encode(hmac.digest(auth_token.encode(), url.encode(), "sha1"))

    def refusal(call: ServerConnection, request: Request) -> Response | None:
        shown = request.headers.get("X-Twilio-Signature", "")
        if hmac.compare_digest(shown.encode(), signature):
            return None
        return call.respond(403, "This is not signed by Twilio.\n")

    return refusal


async def bridge(
    url: str, key: str | None, host: str, port: int, signed: tuple[str, str] | None
) -> None:
    async with (
        Client(url, key=key, limits=LIMITS) as client,
        serve(
            partial(record, client=client),
            host,
            port,
            process_request=require_signature(*signed) if signed else None,
            max_size=MAX_MESSAGE_BYTES,
        ) as server,
    ):
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, server.close)
        port = server.sockets[0].getsockname()[1]  # with port 0, the system chooses one
        click.echo(f"waiting for calls at ws://{host}:{port}")
        await server.wait_closed()


@click.command()
@click.option("--url", default="http://localhost:8000", show_default=True, help="The service.")
@click.option("--key", envvar="SERCUESCRIBE_KEY", show_envvar=True, help="API key or token.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", default=8080, show_default=True, help="Where to listen.")
@click.option("--public-url", help="The address in the TwiML, letter for letter.")
@click.option("--auth-token", envvar="TWILIO_AUTH_TOKEN", show_envvar=True, help="Of the account.")
def main(
    url: str,
    key: str | None,
    host: str,
    port: int,
    public_url: str | None,
    auth_token: str | None,
) -> None:
    """Record the calls that Twilio streams here. Ctrl-C completes their sessions and ends."""
    signed = None
    if auth_token:
        if public_url is None:
            raise click.UsageError("--auth-token needs --public-url: Twilio signs that address")
        signed = (auth_token, public_url)
    asyncio.run(bridge(url, key, host, port, signed))


if __name__ == "__main__":
    main()
