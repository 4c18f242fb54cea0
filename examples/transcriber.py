"""Transcribe the speech of a session while it is recorded, on this machine.

    python examples/transcriber.py SESSION_ID

It needs `pip install pocketsphinx`, which includes an English model for 16,000 Hz, mono. The
session must have this rate and one channel. Each line begins with its time in the recording. A
line that ends with "..." is a partial result.

The audio comes over the `listen` socket, from the beginning of the session to its end. When the
connection is lost, the next one continues with the first frame that was not received.
"""

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from typing import Any

import click
from pocketsphinx import Decoder, Endpointer
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus

SAMPLE_RATE = 16000
MESSAGE_HEADER = struct.Struct("<Q")  # the number of the first frame, before the samples
INITIAL_RETRY_SECONDS, MAX_RETRY_SECONDS = 0.25, 5.0


class Recognizer:
    """Convert speech to lines of text. It uses the CPU fully: call it in a thread."""

    def __init__(self) -> None:
        # Only the first pass: later passes run after an utterance, take longer, and change
        # words that were already printed.
        self._decoder = Decoder(samprate=SAMPLE_RATE, fwdflat=False, bestpath=False)
        self._endpointer = Endpointer(sample_rate=SAMPLE_RATE)
        self._unprocessed = b""
        self._processed_bytes = 0
        self._text = ""

    def add_pcm(self, pcm: bytes) -> list[str]:
        """Add samples, cut anywhere; return the new lines."""
        self._unprocessed += pcm
        size, lines = self._endpointer.frame_bytes, []
        while len(self._unprocessed) > size:
            frame, self._unprocessed = self._unprocessed[:size], self._unprocessed[size:]
            self._processed_bytes += size
            was_in_speech = self._endpointer.in_speech
            if speech := self._endpointer.process(frame):
                if not was_in_speech:
                    self._decoder.start_utt()
                lines += self._decode(speech)
        return lines

    def finish(self) -> list[str]:
        """End the session; return the last lines."""
        if not self._endpointer.in_speech:
            return []
        return self._decode(self._endpointer.end_stream(self._unprocessed) or b"")

    def _decode(self, speech: bytes) -> list[str]:
        self._decoder.process_raw(speech)
        is_over = not self._endpointer.in_speech
        if is_over:
            self._decoder.end_utt()
        before, found = self._text, self._decoder.hyp()
        self._text = found.hypstr if found else ""
        if is_over:
            text, self._text = self._text, ""
            begin, end = self._endpointer.speech_start, self._endpointer.speech_end
            return [f"{begin:8.2f} - {end:.2f}  {text}"] if text else []
        if self._text in {before, ""}:
            return []
        return [f"{self._processed_bytes / 2 / SAMPLE_RATE:8.2f}  {self._text} ..."]


async def listen_pcm(url: str, session_id: str, key: str | None) -> AsyncIterator[bytes]:
    """Yield the session's samples, each once, until the session is completed."""
    address = f"{url.replace('http', 'ws', 1)}/api/ws/audio/{session_id}/listen"
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    next_frame, retry_seconds = 0, INITIAL_RETRY_SECONDS
    while True:
        try:
            async with connect(
                f"{address}?from={next_frame}", additional_headers=headers
            ) as socket:
                async for message in socket:
                    if isinstance(message, str):
                        if is_final(json.loads(message)):
                            return
                        retry_seconds = INITIAL_RETRY_SECONDS
                        continue
                    (first_frame,) = MESSAGE_HEADER.unpack_from(message)
                    pcm = message[MESSAGE_HEADER.size :]
                    next_frame = first_frame + len(pcm) // 2
                    yield pcm
            reason = "closed by the service"
        except (OSError, ConnectionClosed, InvalidHandshake, InvalidMessage) as lost:
            raise_if_final(lost)
            reason = str(lost)
        place = f"{next_frame / SAMPLE_RATE:.2f} s"
        click.echo(f"connection lost at {place} ({reason}); reconnecting", err=True)
        await asyncio.sleep(retry_seconds)
        retry_seconds = min(2 * retry_seconds, MAX_RETRY_SECONDS)


def is_final(message: dict[str, Any]) -> bool:
    """Return whether this is the message after the last sample. Check a greeting's format."""
    if message["type"] == "session":
        check_format(message["sample_rate"], message["channels"])
    return bool(message["type"] == "control" and message["status"] == "completed")


def check_format(sample_rate: int, channels: int) -> None:
    if (sample_rate, channels) != (SAMPLE_RATE, 1):
        raise click.ClickException(
            f"the session has {sample_rate} Hz, {channels} channel(s); the model needs"
            f" {SAMPLE_RATE} Hz, mono. Create it with sample_rate={SAMPLE_RATE} and channels=1."
        )


def raise_if_final(lost: Exception) -> None:
    """Exit if a retry would have the same result, because the request is wrong."""
    if isinstance(lost, ConnectionClosed) and lost.rcvd and lost.rcvd.code == 1008:
        raise click.ClickException(lost.rcvd.reason)
    if isinstance(lost, InvalidStatus) and lost.response.status_code in {400, 401, 403, 404, 421}:
        raise click.ClickException(str(lost))


async def transcribe(url: str, session_id: str, key: str | None) -> None:
    recognizer = Recognizer()
    async for pcm in listen_pcm(url, session_id, key):
        # In a thread, so that the event loop can receive messages and answer pings.
        for line in await asyncio.to_thread(recognizer.add_pcm, pcm):
            click.echo(line)
    for line in await asyncio.to_thread(recognizer.finish):
        click.echo(line)


@click.command()
@click.argument("session_id")
@click.option("--url", default="http://localhost:8000", show_default=True, help="The service.")
@click.option("--key", envvar="SERCUESCRIBE_KEY", show_envvar=True, help="API key or token.")
def main(session_id: str, url: str, key: str | None) -> None:
    """Print what is said in SESSION_ID while it is recorded."""
    asyncio.run(transcribe(url, session_id, key))


if __name__ == "__main__":
    main()
