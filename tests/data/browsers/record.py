"""Make the recordings of this folder: ``python tests/data/browsers/record.py``.

A headless browser opens ``record.html`` from a server on loopback, plays ``speech.wav`` into
MediaRecorders and posts their blobs. The page needs no browser automation.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

HERE = Path(__file__).parent
INDEX = HERE / "index.json"
LONGEST_SECONDS = 300

OPUS_WEBM, OPUS_OGG, MP4 = "audio/webm;codecs=opus", "audio/ogg;codecs=opus", "audio/mp4"
WAYS: dict[str, dict[str, int]] = {
    "250ms": {"timeslice": 250, "milliseconds": 4000},
    "20ms": {"timeslice": 20, "milliseconds": 4000},
    "3000ms": {"timeslice": 3000, "milliseconds": 10_000},
    "paused": {"timeslice": 250, "milliseconds": 4000, "pause": 1500},
}
TYPES = {
    "chromium": {"webm": OPUS_WEBM, "mp4": MP4},
    "firefox": {"webm": OPUS_WEBM, "ogg": OPUS_OGG},
}
FIREFOX_PREFERENCES = {
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "app.update.enabled": False,
}


def command(browser: str, profile: Path, url: str) -> list[str]:
    if browser == "chromium":
        options = (
            "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--autoplay-policy=no-user-gesture-required", "--disable-background-networking",
        )  # fmt: skip
        return [program("chromium"), *options, f"--user-data-dir={profile}", url]
    lines = (
        f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
        for name, value in FIREFOX_PREFERENCES.items()
    )
    (profile / "user.js").write_text("".join(lines))
    return [program("firefox-esr"), "--headless", "--no-remote", "--profile", str(profile), url]


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        sys.exit(f"{name} is not installed")
    return found


class Server(ThreadingHTTPServer):
    """Serves the page and keeps what it posts."""

    def __init__(self, browser: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.browser = browser
        self.recordings: dict[str, dict[str, Any]] = {}
        self.ended = threading.Event()
        self.failure: str | None = "the page did not end"
        self.user_agent = ""

    def take(self, path: str, about: dict[str, Any], body: bytes) -> None:
        if path == "/recording":
            assert sum(about["blobs"]) == len(body)
            file = f"{about.pop('name')}.{about['type'].partition(';')[0].partition('/')[2]}"
            (HERE / file).write_bytes(body)
            self.recordings[file] = {"browser": self.browser, **about}
        elif path == "/done":
            self.failure, self.user_agent = None, about["userAgent"]
            self.ended.set()
        else:
            sys.stderr.write(f"{self.browser}{path}: {about}\n")
            if path == "/failed":
                self.failure = about["error"]
                self.ended.set()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        files = {"/record.html": HERE / "record.html", "/speech.wav": HERE.parent / "speech.wav"}
        file = files.get(self.path.partition("?")[0])
        if file is None:
            self.send_error(404)
            return
        self._answer(file.read_bytes(), "text/html" if file.suffix == ".html" else "audio/wav")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.take(self.path, json.loads(self.headers["X-About"]), body)
        self._answer(b"", "text/plain")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Discard the access log."""

    def _answer(self, body: bytes, content_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def record(browser: str) -> dict[str, dict[str, Any]]:
    """Record with ``browser``; write the files and return their descriptions by file name."""
    wanted = [
        {"name": f"{browser}-{way}", "mimeType": mime_type, **settings}
        for mime_type in TYPES[browser].values()
        for way, settings in WAYS.items()
    ]
    server = Server(browser)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        page = f"http://127.0.0.1:{server.server_port}/record.html"
        url = f"{page}?recordings={quote(json.dumps(wanted))}"
        process = subprocess.Popen(
            command(browser, Path(profile), url),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        server.ended.wait(LONGEST_SECONDS)
        process.terminate()
        process.wait(30)
    server.shutdown()
    server.server_close()
    if server.failure:
        sys.exit(f"{browser}: {server.failure}")
    sys.stderr.write(f"{server.user_agent}: {len(server.recordings)} recordings\n")
    return server.recordings


def main() -> None:
    recordings = {file: about for browser in TYPES for file, about in record(browser).items()}
    lines = (
        f"  {json.dumps(file)}: {json.dumps(about)}" for file, about in sorted(recordings.items())
    )
    INDEX.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
