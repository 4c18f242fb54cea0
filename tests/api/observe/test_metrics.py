"""The metrics are those of docs/metrics.md, and the values of their labels are few."""

import asyncio
import re
import time
from pathlib import Path

from prometheus_client import generate_latest

from api.observe.metrics import Metrics
from tests.exposition import samples

ROOT = Path(__file__).parents[3]

# Every label that a metric may have. None is an id, a user or an address.
LABELS = {
    "role", "task", "version", "storage", "format", "reason", "code", "operation", "kind", "result",
    "direction", "event", "route", "method", "status_class",
}  # fmt: skip

NAMES = set(
    """
    sessions_live sessions_limit connections{role} unpersisted_bytes unpersisted_seconds
    spool_free_bytes lease_age_seconds background_task_up{task} draining
    build_info{version,storage} sessions_created_total{format} sessions_ended_total{reason}
    chunks_total audio_bytes_total{direction} disconnects_total{code} warnings_total{code}
    store_errors_total{operation} takeovers_total{reason} fenced_total relayed_total{kind,result}
    denied_total{reason} deleted_total{reason} chunk_ack_seconds persist_lag_seconds
    store_request_seconds{operation} sync_seconds event_loop_lag_seconds
    webhook_attempts_total{event,result} http_request_seconds{route,method,status_class}
    """.split()  # noqa: SIM905 - easier to read
)


def declared() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return the type and the labels of each metric, by its name in the exposition."""
    metrics = Metrics()
    labels = {}
    for collector in metrics.registry._collector_to_names:
        name = getattr(collector, "_name", "")
        labels[name] = tuple(getattr(collector, "_labelnames", ()))
    return {
        family.name + ("_total" if family.type == "counter" else ""): (
            family.type,
            labels.get(family.name, ()),
        )
        for family in metrics.registry.collect()
    }


def test_every_promised_metric_exists_with_its_labels_and_no_other() -> None:
    found = {
        name.removeprefix("sercuescribe_") + (f"{{{','.join(labels)}}}" if labels else "")
        for name, (_, labels) in declared().items()
    }
    assert found == NAMES
    assert all(name.startswith("sercuescribe_") for name in declared())


def test_the_document_lists_every_metric_with_its_type_and_labels() -> None:
    rows = re.findall(
        r"^\| `(sercuescribe_\w+)` \| (\w+) \|([^|]*)\|",
        (ROOT / "docs" / "metrics.md").read_text(),
        re.MULTILINE,
    )
    listed = {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    assert listed == declared()


def test_no_label_is_an_id_a_user_or_an_address() -> None:
    assert {label for _, labels in declared().values() for label in labels} <= LABELS


def test_a_value_that_is_not_in_the_table_counts_as_other() -> None:
    metrics = Metrics(close_codes=[1000])
    for code in ("1000", "4999", "4998", "an id"):
        metrics.disconnects.add(code)
    metrics.requested(None, "BREW", 418, 0.1)
    found = samples(generate_latest(metrics.registry).decode())
    assert {name: value for name, value in found.items() if name.startswith("disconnects")} == {
        "disconnects_total{code=1000}": 1,
        "disconnects_total{code=other}": 3,
    }
    assert "http_request_seconds_count{method=other,route=other,status_class=4xx}" in found


def test_every_known_value_has_a_sample_before_it_occurs() -> None:
    found = samples(generate_latest(Metrics(formats=["wav"], denials=["x"]).registry).decode())
    assert found["sessions_created_total{format=wav}"] == 0
    assert found["denied_total{reason=x}"] == 0
    assert found["sessions_ended_total{reason=fenced}"] == 0
    assert found["fenced_total"] == 0


def test_a_counter_that_is_kept_elsewhere_is_read_at_the_scrape() -> None:
    metrics = Metrics()
    attempts: dict[tuple[str, ...], float] = {("session.completed", "delivered"): 1}
    metrics.webhook_attempts.read = lambda: attempts
    attempts["session.completed", "delivered"] = 2
    found = samples(generate_latest(metrics.registry).decode())
    assert found["webhook_attempts_total{event=session.completed,result=delivered}"] == 2


async def test_a_blocked_event_loop_shows_in_the_lag() -> None:
    metrics = Metrics()
    measuring = asyncio.create_task(metrics.measure_event_loop(interval_seconds=0.01))
    await asyncio.sleep(0)
    time.sleep(0.2)
    while not samples(generate_latest(metrics.registry).decode())["event_loop_lag_seconds_count"]:
        await asyncio.sleep(0.01)
    measuring.cancel()
    found = samples(generate_latest(metrics.registry).decode())
    assert found["event_loop_lag_seconds_sum"] >= 0.15
