"""Modules of the page without a browser, in Node: formats and progress."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients.js.runtimes import NODE

PAGE = Path(__file__).parents[2] / "web" / "page"


def value(module: str, expression: str) -> Any:
    """Return the value of an expression that uses the module's names."""
    code = (
        f"import * as m from {json.dumps((PAGE / module).as_uri())};"
        f"Object.assign(globalThis, m); console.log(JSON.stringify({expression}))"
    )
    options = ["--no-warnings", "--input-type=module", "--eval", code]
    printed = subprocess.run([NODE, *options], check=True, capture_output=True, text=True)
    return json.loads(printed.stdout)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("formatClock(0)", "0:00"),
        ("formatClock(59.99)", "0:59"),
        ("formatClock(61.25, { tenths: true })", "1:01.2"),
        ("formatClock(0.3, { tenths: true })", "0:00.3"),
        ("formatClock(3600)", "1:00:00"),
        ("formatClock(86399.9)", "23:59:59"),
        ("formatClock(-1)", "0:00"),
        ("formatSpokenDuration(0)", "0 seconds"),
        ("formatSpokenDuration(61)", "1 minute 1 second"),
        ("formatSpokenDuration(7322)", "2 hours 2 minutes 2 seconds"),
        ("formatBytes(0)", "0 B"),
        ("formatBytes(999)", "999 B"),
        ("formatBytes(446_000)", "446 kB"),
        ("formatBytes(1_540_000)", "1.5 MB"),
        ("formatBytes(250_000_000)", "250 MB"),
        ("formatBytes(8_300_000_000)", "8.3 GB"),
    ],
)
def test_durations_and_sizes_are_formatted_for_people(expression: str, text: str) -> None:
    assert value("format.js", expression) == text


def test_the_persisted_duration_follows_the_received_duration() -> None:
    code = """(() => {
        const progress = new RecordingProgress();
        const seen = [];
        const note = () => seen.push([progress.receivedSeconds, progress.persistedSeconds]);
        note();
        progress.ack({ chunkCount: 1, durationSeconds: 0.5 });
        progress.ack({ chunkCount: 3, durationSeconds: 1.5 });
        note();
        progress.persist({ chunkCount: 2 });
        note();
        progress.persist({ chunkCount: 3 });
        note();
        progress.ack({ chunkCount: 4, durationSeconds: 2 });
        progress.complete(2.25);
        note();
        return seen;
    })()"""
    assert value("recording-progress.js", code) == [
        [0, 0],
        [1.5, 0],
        [1.5, 0.5],
        [1.5, 1.5],
        [2.25, 2.25],
    ]
