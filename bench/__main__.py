"""Runs the measurements named on the command line, or all of them."""

import sys

from bench import hot_path, long_recording

_ALL = {"hot_path": hot_path.main, "long_recording": long_recording.main}

for name in sys.argv[1:] or _ALL:
    print(f"\n== {name}", flush=True)
    _ALL[name]()
