"""``python -m tests.fuzz SECONDS [SEED]``: check damaged files for a time or until a failure.

On a failure, print the input in hexadecimal digits, and the seed that repeats the run.
"""

import secrets
import signal
import sys
import time
import traceback
from collections import Counter
from random import Random
from types import FrameType

from tests.fuzz.mutations import mutate
from tests.fuzz.properties import PROPERTIES, Property
from tests.fuzz.random_wav import check_against_ffmpeg, random_wav
from tests.fuzz.seeds import seeds

# No check takes a second; after ten seconds it hangs.
TIMEOUT_SECONDS = 10
# A comparison costs two processes, every other check some microseconds.
COMPARISON_SHARE = 0.005


def main(seconds: float, seed: int) -> int:
    random, files, done = Random(seed), list(seeds().values()), Counter[str]()
    check: Property
    signal.signal(signal.SIGALRM, _raise_timeout)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if random.random() < COMPARISON_SHARE:
            name, check, data = "check_against_ffmpeg", check_against_ffmpeg, random_wav(random)
        else:
            name, check = random.choice(list(PROPERTIES.items()))
            data = mutate(random.choice(files), random, files)
        signal.alarm(TIMEOUT_SECONDS)
        try:
            check(data, random)
        except Exception:  # noqa: BLE001 - any exception is a failure
            signal.alarm(0)
            traceback.print_exc()
            sys.stdout.write(f"seed {seed}, input {sum(done.values())}, {name}:\n{data.hex()}\n")
            return 1
        done[name] += 1
    signal.alarm(0)
    sys.stdout.write(f"seed {seed}: no failure in {dict(done)}\n")
    return 0


def _raise_timeout(_signal: int, _frame: FrameType | None) -> None:
    raise TimeoutError(f"no result within {TIMEOUT_SECONDS} seconds")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.exit(
        main(
            float(arguments[0]) if arguments else 60,
            int(arguments[1]) if len(arguments) > 1 else secrets.randbits(32),
        )
    )
