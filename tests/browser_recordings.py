"""Blobs that MediaRecorder of browsers produced, see ``tests/data/browsers/README.md``."""

import itertools
from pathlib import Path

import msgspec

FOLDER = Path(__file__).parent / "data" / "browsers"


class BrowserRecording(msgspec.Struct):
    """One recording, as ``index.json`` describes it."""

    browser: str
    type: str
    timeslice: int
    blobs: list[int]


RECORDINGS = msgspec.json.decode(
    (FOLDER / "index.json").read_bytes(), type=dict[str, BrowserRecording]
)


def read_recording(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def read_blobs(name: str) -> list[bytes]:
    data = read_recording(name)
    ends = list(itertools.accumulate(RECORDINGS[name].blobs))
    assert ends[-1] == len(data)
    return [data[start:end] for start, end in itertools.pairwise([0, *ends])]
