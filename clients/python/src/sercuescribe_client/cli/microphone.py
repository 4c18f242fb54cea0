"""The microphone as a source, where the sounddevice library is installed."""

import asyncio
import importlib
from collections.abc import AsyncGenerator
from typing import Any

import click

from sercuescribe_client.cli.sources import Source

_BLOCKS_PER_SECOND = 10

_MISSING = (
    "--mic needs the sounddevice library and PortAudio: "
    "pip install 'sercuescribe-client[microphone]'"
)


def open_microphone(sample_rate: int, channels: int) -> Source:
    """16-bit samples from the default input, until whoever reads stops."""
    try:
        sounddevice = importlib.import_module("sounddevice")
    except (ImportError, OSError) as error:  # OSError: PortAudio itself is missing
        raise click.UsageError(f"{_MISSING} ({error})") from error
    return Source("microphone", None, None, _blocks(sounddevice, sample_rate, channels))


async def _blocks(sounddevice: Any, sample_rate: int, channels: int) -> AsyncGenerator[bytes, None]:
    loop = asyncio.get_running_loop()
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    def take(block: Any, _frames: int, _time: Any, _status: Any) -> None:
        loop.call_soon_threadsafe(heard.put_nowait, bytes(block))

    stream = sounddevice.RawInputStream(
        samplerate=sample_rate,
        channels=channels,
        dtype="int16",
        blocksize=sample_rate // _BLOCKS_PER_SECOND,
        callback=take,
    )
    with stream:
        while True:
            yield await heard.get()
