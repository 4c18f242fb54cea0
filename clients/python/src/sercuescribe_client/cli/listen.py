"""``sercuescribe listen``: write the audio of a session while it is recorded, for a player."""

import contextlib
import struct

import click

from sercuescribe_client.cli.exit_codes import EXIT_CODES_HELP, exit_on_error
from sercuescribe_client.cli.interrupt_handler import run_until_interrupted
from sercuescribe_client.cli.options import CommonOptions, common_options, retry_timeout_option
from sercuescribe_client.cli.standard_output import write_output

_UNKNOWN_BYTES = 0xFFFFFFFF  # the size that ffmpeg writes, and accepts, in a WAV of a pipe


@click.command(epilog=EXIT_CODES_HELP)
@click.argument("session_id", metavar="ID")
@click.option("--now", is_flag=True, help="Begin with new audio. Default: from the start.")
@common_options
@retry_timeout_option
def listen(
    common: CommonOptions, session_id: str, *, now: bool, retry_timeout_seconds: float
) -> None:
    """Write the audio of a session to standard output, as WAV, until the session is completed.

    For example: sercuescribe listen ID | ffplay -
    """

    async def run() -> None:
        has_header = False
        async with common.client(retry_timeout_seconds=retry_timeout_seconds) as client:
            blocks = client.listen(session_id, begin="now" if now else "start")
            async with contextlib.aclosing(blocks):
                async for block in blocks:
                    if not has_header:
                        await write_output(_wav_header(block.sample_rate, block.channels))
                        has_header = True
                    await write_output(block.pcm)

    with exit_on_error(as_json=common.as_json):
        run_until_interrupted(run())


def _wav_header(sample_rate: int, channels: int) -> bytes:
    """Return the header of a WAV of 16-bit PCM whose length is not known."""
    frame_bytes = 2 * channels
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", _UNKNOWN_BYTES, b"WAVE"),
        *(b"fmt ", 16, 1, channels, sample_rate, sample_rate * frame_bytes, frame_bytes, 16),
        *(b"data", _UNKNOWN_BYTES),
    )
