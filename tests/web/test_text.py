"""Numbers as the page shows them, and what it counts: modules without a browser, in Node."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients.js.runtimes import NODE

PAGE = Path(__file__).parents[2] / "web" / "page"


def value(module: str, expression: str) -> Any:
    """What an expression gives that uses the module's names."""
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
        ("clock(0)", "0:00"),
        ("clock(59.99)", "0:59"),
        ("clock(61.25, { tenths: true })", "1:01.2"),
        ("clock(0.3, { tenths: true })", "0:00.3"),
        ("clock(3600)", "1:00:00"),
        ("clock(86399.9)", "23:59:59"),
        ("clock(-1)", "0:00"),
        ("spoken(0)", "0 seconds"),
        ("spoken(61)", "1 minute 1 second"),
        ("spoken(7322)", "2 hours 2 minutes 2 seconds"),
        ("size(0)", "0 B"),
        ("size(999)", "999 B"),
        ("size(446_000)", "446 kB"),
        ("size(1_540_000)", "1.5 MB"),
        ("size(250_000_000)", "250 MB"),
        ("size(8_300_000_000)", "8.3 GB"),
    ],
)
def test_numbers_are_shown_as_people_read_them(expression: str, text: str) -> None:
    assert value("text.js", expression) == text


def test_what_is_safe_follows_what_was_received() -> None:
    told = """(() => {
        const progress = new Progress();
        const seen = [];
        const note = () => seen.push([progress.received, progress.safe]);
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
    assert value("progress.js", told) == [[0, 0], [1.5, 0], [1.5, 0.5], [1.5, 1.5], [2.25, 2.25]]
