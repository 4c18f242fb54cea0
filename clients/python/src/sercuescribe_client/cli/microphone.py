"""The microphone as an audio source. It needs the sounddevice library."""

import asyncio
import importlib
from collections.abc import AsyncGenerator
from typing import Any

import click

from sercuescribe_client.cli.audio_sources import AudioSource

_BLOCKS_PER_SECOND = 10

_INSTALL_HINT = (
    "--mic needs the sounddevice library and PortAudio: "
    "pip install 'sercuescribe-client[microphone]'"
)


def open_microphone(sample_rate: int, channels: int) -> AudioSource:
    """Open the default input as 16-bit PCM. It records until the caller closes ``chunks``."""
    try:
        sounddevice = importlib.import_module("sounddevice")
    except (ImportError, OSError) as error:  # OSError: PortAudio itself is missing
        raise click.UsageError(f"{_INSTALL_HINT} ({error})") from error
    return AudioSource("microphone", None, None, _read_blocks(sounddevice, sample_rate, channels))


async def _read_blocks(
    sounddevice: Any, sample_rate: int, channels: int
) -> AsyncGenerator[bytes, None]:
    loop = asyncio.get_running_loop()
    blocks: asyncio.Queue[bytes] = asyncio.Queue()

    def on_block(block: Any, _frames: int, _time: Any, _status: Any) -> None:
        loop.call_soon_threadsafe(blocks.put_nowait, bytes(block))

    stream = sounddevice.RawInputStream(
        samplerate=sample_rate,
        channels=channels,
        dtype="int16",
        blocksize=sample_rate // _BLOCKS_PER_SECOND,
        callback=on_block,
    )
    with stream:
        while True:
            yield await blocks.get()
