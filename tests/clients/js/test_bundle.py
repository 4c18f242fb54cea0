"""The JavaScript client as one file of a bundler."""

import json
import subprocess
from pathlib import Path

from tests.audio import pcm
from tests.clients.js.runtimes import CLIENT, NODE
from tests.service import Service

_ROOT = CLIENT.parents[1]
_BUILD = """
const [absWorkingDir] = process.argv.slice(1);
const options = { bundle: true, format: 'esm', outfile: 'bundle.mjs', logLevel: 'warning' };
require('esbuild').buildSync({ absWorkingDir, entryPoints: ['program.js'], ...options });
"""
_PROGRAM = """
import { SessionClient } from 'sercuescribe-client';
const client = new SessionClient({ url: process.argv[2], sampleRate: 16000, format: 'pcm_s16le' });
await client.start();
await client.send(new Uint8Array(process.argv[3].split(',')));
console.log(JSON.stringify(await client.stop()));
"""


def test_a_bundle_records(service: Service, tmp_path: Path) -> None:
    """It imports the package by its name, as an application does."""
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "sercuescribe-client").symlink_to(CLIENT)
    (tmp_path / "program.js").write_text(_PROGRAM)
    built = subprocess.run(
        [NODE, "-e", _BUILD, tmp_path],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (built.returncode, built.stderr) == (0, "")
    (tmp_path / "node_modules" / "sercuescribe-client").unlink()  # the bundle needs no other file
    audio = pcm(1000)
    done = subprocess.run(
        [NODE, "bundle.mjs", service.url, ",".join(map(str, audio))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert service.pcm(json.loads(done.stdout)["session_id"]) == audio
