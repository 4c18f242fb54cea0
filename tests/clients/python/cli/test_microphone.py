"""The microphone source, with a fake sound library."""

import sys
import threading
from types import SimpleNamespace
from typing import Any, Self

import click
import pytest

from sercuescribe_client.cli.microphone import open_microphone


class Stream:
    """A stream that calls back from a thread of its own, like PortAudio."""

    def __init__(self, *, callback: Any, **options: Any) -> None:
        self.options = options
        blocks = [(bytes([number]) * 4, 2, None, None) for number in range(3)]
        self._thread = threading.Thread(target=lambda: [callback(*block) for block in blocks])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()


async def test_blocks_arrive_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", SimpleNamespace(RawInputStream=Stream))
    source = open_microphone(16000, 1)
    heard = [await anext(source.chunks) for _ in range(3)]
    await source.chunks.aclose()
    assert heard == [bytes([number]) * 4 for number in range(3)]


def test_a_missing_library_gives_the_command_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(click.UsageError, match=r"pip install 'sercuescribe-client\[microphone\]'"):
        open_microphone(16000, 1)
