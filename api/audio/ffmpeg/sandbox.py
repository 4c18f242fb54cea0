"""The sandbox of ffmpeg: commands that limit its privileges before it starts.

ffmpeg parses hostile input. Its whitelists keep it from opening anything but its pipes (see
`api.audio.ffmpeg.command.arguments`). The sandbox limits the damage if a file exploits ffmpeg all
the same: no network, no privileges, bounded memory, no files written. `api.audio.ffmpeg.process`
starts it with an empty environment.

Every step is a command that executes the rest of the command line. Each is tested once and left out
if the platform refuses it; Docker's default profile, for example, refuses the network namespace.
"""

import os
import shutil
import subprocess
from typing import NamedTuple

# Receiving and acknowledging chunks has priority over decoding them.
_NICENESS = 10

# Measured data size while decoding WebM: 58 MiB for the static build, 35 MiB for the shared one.
_MEMORY_BYTES = 256 * 1024 * 1024

# Three pipes, and one shared library at a time while it is loaded.
_DESCRIPTORS = 16

_LIMITS = (
    f"--data={_MEMORY_BYTES}",  # not --as: the static build reserves more than it uses
    "--fsize=0",
    "--core=0",
    f"--nofile={_DESCRIPTORS}",
    # not --nproc: it counts all processes of the user, and ffmpeg needs threads
    # not --cpu: a stream may last for a day
)

# Linux's overflow user and group id (user_namespaces(7)). They need no entry in passwd.
_OVERFLOW_ID = 65534


class Sandbox(NamedTuple):
    """``command`` is the prefix of a command line; ``missing`` names what the platform refuses."""

    command: tuple[str, ...]
    missing: tuple[str, ...]


def available(program: str) -> Sandbox:
    """Return the steps that work for ``program`` on this machine. Blocks while it tests them."""
    steps = _steps()
    whole = tuple(word for step in steps.values() for word in step)
    if _runs(whole, program):
        return Sandbox(whole, ())
    command: tuple[str, ...] = ()
    missing: list[str] = []
    for promise, step in steps.items():
        if _runs((*command, *step), program):
            command = (*command, *step)
        else:
            missing.append(promise)
    return Sandbox(command, tuple(missing))


def _steps() -> dict[str, tuple[str, ...]]:
    """Return the steps by what they provide, in the order in which they must run.

    Limits are set while the privileges for that exist. ``PR_SET_PDEATHSIG`` is set last, because
    a change of the user resets it (prctl(2)).
    """
    is_root = os.geteuid() == 0
    steps = {
        "lower priority": _step("nice", "-n", str(_NICENESS)),
        "resource limits": _step("prlimit", *_LIMITS, "--"),
        "network namespace": _step("unshare", *(() if is_root else ("--user",)), "--net", "--"),
    }
    if is_root:
        steps["unprivileged user"] = _step(
            "setpriv", f"--reuid={_OVERFLOW_ID}", f"--regid={_OVERFLOW_ID}", "--clear-groups",
            "--inh-caps=-all", "--bounding-set=-all", "--",
        )  # fmt: skip
    steps["kill on exit of the service"] = _step(
        "setpriv", "--pdeathsig", "KILL", "--no-new-privs", "--"
    )
    return steps


def _step(name: str, *arguments: str) -> tuple[str, ...]:
    """Return the command with its full path, because ffmpeg's environment has no ``PATH``.

    If the program is missing, the path is "", which fails in :func:`_runs`.
    """
    return shutil.which(name) or "", *arguments


def _runs(command: tuple[str, ...], program: str) -> bool:
    try:
        subprocess.run(  # noqa: S603
            (*command, program, "-version"), env={}, check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    return True
