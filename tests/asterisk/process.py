"""Runs an unpacked Asterisk with a configuration of its own, on no port."""

import os
import subprocess
import time
from pathlib import Path
from typing import Self

_MODULES = (
    "pbx_config", "app_milliwatt", "app_echo", "res_clioriginate", "res_http_websocket",
    "res_websocket_client", "chan_websocket", "codec_ulaw", "codec_alaw", "res_timing_timerfd",
    "res_sorcery_config", "res_sorcery_memory", "res_stasis", "codec_resample", "res_ari_model",
    "func_channel", "bridge_softmix",
)  # fmt: skip

_FILES = {
    "modules.conf": "[modules]\nautoload=no\n" + "".join(f"load={name}.so\n" for name in _MODULES),
    "extensions.conf": "[default]\nexten => tone,1,Answer()\n same => n,Milliwatt()\n",
    "logger.conf": "[general]\n[logfiles]\nmessages.log => notice,warning,error\n",
    "http.conf": "[general]\nenabled=no\n",
    "websocket_client.conf": (
        "[rec]\ntype=websocket_client\nconnection_type=per_call_config\nuri={url}\n"
        "protocols=media\nusername=phone\npassword={password}\ntls_enabled=no\n"
    ),
    "asterisk.conf": (
        "[directories]\nastetcdir={etc}\nastmoddir={modules}\nastvarlibdir={var}\n"
        "astdbdir={var}\nastkeydir={var}\nastdatadir={data}\nastagidir={var}\n"
        "astspooldir={var}\nastrundir={var}\nastlogdir={var}\n[options]\nnocolor=yes\n"
    ),
}


class Asterisk:
    """One process. Its files are in ``folder``; ``unpacked`` has the packages."""

    def __init__(self, unpacked: Path, folder: Path, url: str, password: str = "none") -> None:
        root = unpacked / "root"
        libraries = root / "usr/lib/x86_64-linux-gnu"
        self._command = [
            str(libraries / "ld-linux-x86-64.so.2"),
            "--library-path",
            str(libraries),
            str(root / "usr/sbin/asterisk"),
            "-C",
            str(folder / "asterisk.conf"),
        ]
        values = {
            "url": url,
            "password": password,
            "etc": folder,
            "var": folder,
            "modules": libraries / "asterisk/modules",
            "data": root / "usr/share/asterisk",
        }
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in _FILES.items():
            (folder / name).write_text(text.format(**values) if "{" in text else text)
        for name in ("ulimits", "stasis.conf", "indications.conf", "codecs.conf", "cli.conf"):
            (folder / name).touch()
        self._folder = folder

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [*self._command, "-f"],
            env={**os.environ, "HOME": str(self._folder)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(100):
            if "fully booted" in self.run("core waitfullybooted"):
                return self
            time.sleep(0.1)
        self._process.kill()
        raise RuntimeError("Asterisk did not start:\n" + self.log())

    def __exit__(self, *_: object) -> None:
        self.run("core stop now")
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    def run(self, command: str) -> str:
        """Run a command of the console; return what it prints."""
        done = subprocess.run(
            [*self._command, "-rx", command],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        return done.stdout + done.stderr

    def call(self, options: str) -> None:
        """Let a channel that plays a tone of 1,004 Hz stream to the service."""
        self.run(f"channel originate WebSocket/rec/{options} extension tone@default")

    def hang_up(self) -> None:
        self.run("channel request hangup all")

    def log(self) -> str:
        path = self._folder / "messages.log"
        return path.read_text(errors="replace") if path.exists() else ""
