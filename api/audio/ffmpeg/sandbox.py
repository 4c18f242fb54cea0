"""What stands in front of ffmpeg's command, and holds it from its first instruction on.

ffmpeg parses what strangers send. Its own whitelists keep it from opening anything but its
pipes (`api.audio.ffmpeg.command.arguments`); the steps here are for the file that takes it over all
the same: no network, no privilege, bounded memory, nothing written. Nor is there a secret
in its environment: see `api.audio.ffmpeg.process`.

Every step is a command that executes the rest, tried once, and left out where the platform
does not allow it: Docker's default profile, for one, refuses the network namespace.
"""

import os
import shutil
import subprocess
from typing import NamedTuple

# The service takes and acknowledges chunks first, and decodes them with what is left.
_NICENESS = 5

# The static build has 58 MiB of data when it decodes WebM, the shared one 35.
_MEMORY_BYTES = 256 * 1024 * 1024

# Three pipes, and one library at a time while it is loaded.
_DESCRIPTORS = 16

_LIMITS = (
    f"--data={_MEMORY_BYTES}",  # not --as: the static build reserves far more than it uses
    "--fsize=0",
    "--core=0",
    f"--nofile={_DESCRIPTORS}",
    # not --nproc: it counts all processes of a user, and ffmpeg needs threads
    # not --cpu: a stream may last for a day, or bring a day's audio in an hour
)

# The user whom Linux itself takes for nobody (user_namespaces(7)). It needs no entry in passwd.
_NOBODY = 65534


class Sandbox(NamedTuple):
    """``command`` goes in front of another; ``missing`` tells people what could not be had."""

    command: tuple[str, ...]
    missing: tuple[str, ...]


def available(program: str) -> Sandbox:
    """All that this machine allows in front of ``program``. Blocks, as it is tried."""
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
    """In this order: limits are set while that is allowed, and what a change of user undoes
    (prctl(2), ``PR_SET_PDEATHSIG``) comes after it.
    """
    is_root = os.geteuid() == 0
    steps = {
        "a lower priority": _step("nice", "-n", str(_NICENESS)),
        "limits": _step("prlimit", *_LIMITS, "--"),
        "a network of their own": _step(
            "unshare", *(() if is_root else ("--user",)), "--net", "--"
        ),
    }
    if is_root:
        steps["an unprivileged user"] = _step(
            "setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups",
            "--inh-caps=-all", "--bounding-set=-all", "--",
        )  # fmt: skip
    steps["a life that ends with the service's"] = _step(
        "setpriv", "--pdeathsig", "KILL", "--no-new-privs", "--"
    )
    return steps


def _step(name: str, *arguments: str) -> tuple[str, ...]:
    """With its whole path, as there will be no ``PATH``; with none, which nothing executes."""
    return shutil.which(name) or "", *arguments


def _runs(command: tuple[str, ...], program: str) -> bool:
    try:
        subprocess.run(  # noqa: S603
            (*command, program, "-version"), env={}, check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    return True
