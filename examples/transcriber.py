"""Print what is said in a session while it is recorded, without any other service.

    python examples/transcriber.py SESSION_ID

It needs `pip install pocketsphinx`, which brings its English model: 16,000 Hz, mono. The session
has to be made that way, whatever is sent to it; others are refused. Each line begins with the
place in the recording. A line that ends with "..." is what it sounds like so far.

The audio comes over the `listen` socket, from the beginning of the session to its end. When the
connection is lost, the next one goes on with the first frame that was not heard.
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
POSITION = struct.Struct("<Q")  # the first frame of a message, in front of its samples
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 5.0


class Recognizer:
    """Speech in, lines of text out. It works as hard as it can: call it in a thread."""

    def __init__(self) -> None:
        # One pass: the others come after an utterance, take their time, and change words that
        # were shown already, not always for the better.
        self._decoder = Decoder(samprate=SAMPLE_RATE, fwdflat=False, bestpath=False)
        self._endpointer = Endpointer(sample_rate=SAMPLE_RATE)
        self._unheard = b""
        self._heard_bytes = 0
        self._text = ""

    def hear(self, pcm: bytes) -> list[str]:
        """The lines that these samples, cut anywhere, add."""
        self._unheard += pcm
        size, lines = self._endpointer.frame_bytes, []
        while len(self._unheard) > size:
            frame, self._unheard = self._unheard[:size], self._unheard[size:]
            self._heard_bytes += size
            was_in_speech = self._endpointer.in_speech
            if speech := self._endpointer.process(frame):
                if not was_in_speech:
                    self._decoder.start_utt()
                lines += self._decode(speech)
        return lines

    def finish(self) -> list[str]:
        """The lines that the end of the session adds."""
        if not self._endpointer.in_speech:
            return []
        return self._decode(self._endpointer.end_stream(self._unheard) or b"")

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
        return [f"{self._heard_bytes / 2 / SAMPLE_RATE:8.2f}  {self._text} ..."]


async def pcm_of(url: str, session_id: str, key: str | None) -> AsyncIterator[bytes]:
    """The session's samples, each once, until it is complete. Waits while nothing is recorded."""
    address = f"{url.replace('http', 'ws', 1)}/api/ws/audio/{session_id}/listen"
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    next_frame, pause_seconds = 0, FIRST_PAUSE_SECONDS
    while True:
        try:
            async with connect(
                f"{address}?from={next_frame}", additional_headers=headers
            ) as socket:
                async for message in socket:
                    if isinstance(message, str):
                        if is_last(json.loads(message)):
                            return
                        pause_seconds = FIRST_PAUSE_SECONDS
                        continue
                    (first_frame,) = POSITION.unpack_from(message)
                    pcm = message[POSITION.size :]
                    next_frame = first_frame + len(pcm) // 2
                    yield pcm
            reason = "the service closed it"
        except (OSError, ConnectionClosed, InvalidHandshake, InvalidMessage) as lost:
            refuse_what_stays(lost)
            reason = str(lost)
        place = f"{next_frame / SAMPLE_RATE:.2f} s"
        click.echo(f"connection lost at {place} ({reason}): connecting again", err=True)
        await asyncio.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)


def is_last(message: dict[str, Any]) -> bool:
    """Whether it is the message after the last sample. Greetings and errors come here, too."""
    if message["type"] == "session":
        refuse_other_formats(message["sample_rate"], message["channels"])
    return bool(message["type"] == "control" and message["status"] == "completed")


def refuse_other_formats(sample_rate: int, channels: int) -> None:
    if (sample_rate, channels) != (SAMPLE_RATE, 1):
        raise click.ClickException(
            f"the session has {sample_rate} Hz, {channels} channel(s); the model hears"
            f" {SAMPLE_RATE} Hz, mono. Make it with sample_rate={SAMPLE_RATE} and channels=1."
        )


def refuse_what_stays(lost: Exception) -> None:
    """Another attempt would end the same way where the request is wrong."""
    if isinstance(lost, ConnectionClosed) and lost.rcvd and lost.rcvd.code == 1008:
        raise click.ClickException(lost.rcvd.reason)
    if isinstance(lost, InvalidStatus) and lost.response.status_code in {400, 401, 403, 404, 421}:
        raise click.ClickException(str(lost))


async def transcribe(url: str, session_id: str, key: str | None) -> None:
    recognizer = Recognizer()
    async for pcm in pcm_of(url, session_id, key):
        # In a thread: meanwhile the socket takes what comes, and answers pings.
        for line in await asyncio.to_thread(recognizer.hear, pcm):
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
