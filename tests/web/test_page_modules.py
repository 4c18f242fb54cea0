"""Modules of the page without a browser, in Node: formats and progress."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.audio import wav
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


def test_the_clock_counts_only_while_sound_arrives() -> None:
    code = """(() => {
        const progress = new RecordingProgress();
        progress.start(1000);
        progress.start(1500);
        progress.stop(3000);
        const stopped = progress.elapsedSeconds(9000);
        progress.start(10000);
        return [stopped, progress.elapsedSeconds(10500)];
    })()"""
    assert value("recording-progress.js", code) == [2, 2.5]


def test_the_timeline_is_in_the_order_of_the_recording() -> None:
    code = """timelineEvents({
        marks: [{ frame: 24000, label: 'Question 2' }],
        pauses: [{ frame: 32000, seconds: 2.5 }, { frame: 40000, seconds: null }],
        gaps: [{ frame: 8000, seconds: 61 }],
    }, 8000).map(({ seconds, kind, text }) => [seconds, kind, text])"""
    assert value("timeline-events.js", code) == [
        [1, "gap", "Gap or delay of 1:01.0"],
        [3, "mark", "Question 2"],
        [4, "pause", "Paused for 0:02.5"],
        [5, "pause", "Paused"],
    ]


def test_the_part_of_a_shared_link_is_inside_the_recording() -> None:
    code = """[['', ''], ['1:02', ''], ['0:01:00.5', '1:05'], ['', '1:40'], ['2', '1'], ['x', ''],
        ['1:40', ''], ['', '1:41']].map(([start, end]) => {
            try { return readPart({ part: { start, end } }, 99.5); } catch { return null; }
        })"""
    assert value("share-form.js", code) == [
        {},
        {"start": 62},
        {"start": 60.5, "end": 65},
        {"end": 99.5},
        None,
        None,
        None,
        None,
    ]


def test_no_sound_for_two_seconds_is_a_problem_with_a_reason() -> None:
    code = """(() => {
        const [track, context] = [{ muted: false }, { state: 'running' }];
        const watch = new SoundWatch(track, context, 0);
        const seen = [watch.problem(2000), watch.problem(2001)];
        watch.note(3000);
        seen.push(watch.problem(5000));
        track.muted = true;
        watch.note(5500);
        seen.push(watch.problem(5600));
        track.muted = false;
        context.state = 'suspended';
        seen.push(watch.problem(5600));
        return seen;
    })()"""
    assert value("sound-watch.js", code) == [None, "silent", None, "muted", "suspended"]


@pytest.mark.parametrize(
    ("header", "parameters"),
    [
        (wav(bytes(8), sample_rate=16000), {"sampleRate": 16000, "channels": 1}),
        (wav(bytes(8), sample_rate=11025), None),
        (b"ID3\x04", None),
        (wav(bytes(8))[:20], None),
        (b"RIFF____WAVE" + b"LIST\x00\x00\x00\x00" * 400, None),
    ],
    ids=["16 kHz", "other rate", "MP3", "cut", "no format"],
)
def test_the_parameters_of_a_wav_are_those_of_its_header(
    header: bytes, parameters: dict[str, int] | None
) -> None:
    code = f"wavParameters(new Uint8Array({list(header)}).buffer)"
    assert value("wav-header.js", code) == parameters


def test_a_text_has_its_values_and_its_plural() -> None:
    code = """[
        fill('{count} of {most}', { count: 1, most: 2 }),
        fill({ one: '{count} hour', other: '{count} hours' }, { count: 1 }),
        fill({ one: '{count} hour', other: '{count} hours' }, { count: 2 }),
    ]"""
    assert value("localize.js", code) == ["1 of 2", "1 hour", "2 hours"]


@pytest.mark.parametrize("name", ["index.html", "status.html"])
def test_every_text_of_a_page_is_in_the_table(name: str) -> None:
    html = (PAGE.parent / name).read_text().partition("<body>")[2]
    html = re.sub(r"<noscript>.*?</noscript>", "", html)
    shown = re.sub(r"<[^>]*>", " ", html).split()
    same_everywhere = {"SercueScribe", "B", "dB", "?"}
    assert [word for word in shown if word not in same_everywhere and word.isalpha()] == []
    assert not re.search(r'(aria-label|title|placeholder)="', html)
    paths = re.findall(r'data-(?:text|label|hint)="([^"]+)"', html)
    known = "(path) => path.split('.').reduce((at, name) => at?.[name], texts)"
    assert value("texts.js", f"{json.dumps(paths)}.filter((path) => !({known})(path))") == []
