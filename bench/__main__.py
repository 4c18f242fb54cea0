"""Run the measurements named on the command line, or all of them.

Numbers after a name are its arguments: ``python -m bench live_webm 300 60``.
"""

import sys
from collections.abc import Callable
from typing import Any

from bench import (
    bucket,
    bucket_listing,
    calls,
    capacity,
    crashes,
    decode_cost,
    hot_path,
    latency,
    listing,
    live_webm,
    long_recording,
    outage,
    overload,
    page_list,
    ratios,
    record_cli,
    resume,
    screenshots,
    segments,
    slow_disk,
    soak,
    workers,
)

_MEASUREMENTS: dict[str, Callable[..., Any]] = {
    "hot_path": hot_path.main,
    "long_recording": long_recording.main,
    "latency": latency.main,
    "live_webm": live_webm.main,
    "decode_cost": decode_cost.main,
    "overload": overload.main,
    "listing": listing.main,
    "bucket_listing": bucket_listing.main,
    "outage": outage.main,
    "bucket": bucket.main,
    "segments": segments.main,
    "calls": calls.main,
    "resume": resume.main,
    "slow_disk": slow_disk.main,
    "capacity": capacity.main,
    "record_cli": record_cli.main,
    "soak": soak.main,
    "workers": workers.main,
    "page_list": page_list.main,
    "crashes": crashes.main,
}

# Runs only when named, because it measures nothing.
_BY_NAME_ONLY: dict[str, Callable[..., Any]] = {"screenshots": screenshots.main}

runs: list[tuple[str, list[int]]] = []
for argument in sys.argv[1:] or _MEASUREMENTS:
    if argument.isdecimal() and runs:
        runs[-1][1].append(int(argument))
    else:
        runs.append((argument, []))

for name, numbers in runs:
    print(f"\n== {name}", flush=True)
    (_MEASUREMENTS | _BY_NAME_ONLY)[name](*numbers)

if slower := ratios.slower():
    print("\nmore than 15 % slower than in the last commit (bench/ratios.json):")
    raise SystemExit("\n".join(slower))
