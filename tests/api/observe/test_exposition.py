"""One exposition is made of those of several workers."""

from api.observe.exposition import exposition, merged
from api.observe.metrics import Metrics
from tests.exposition import samples


def worker(*, sessions: int, chunks: int) -> bytes:
    metrics = Metrics(formats=["wav"])
    metrics.sessions_live.set(sessions)
    metrics.connections.labels("recorder").set(sessions)
    metrics.traffic.chunks = chunks
    metrics.sessions_created.add("wav")
    metrics.chunk_ack.observe(0.003)
    metrics.requested("/health", "GET", 200, 0.2)
    return exposition(metrics.registry)


def test_counters_and_histograms_are_summed_and_gauges_get_the_label_worker() -> None:
    found = samples(
        merged({"0": worker(sessions=2, chunks=5), "1": worker(sessions=3, chunks=7)}).decode()
    )
    assert found["chunks_total"] == 12
    assert found["sessions_created_total{format=wav}"] == 2
    assert found["chunk_ack_seconds_count"] == 2
    assert found["chunk_ack_seconds_bucket{le=0.0025}"] == 0
    assert found["chunk_ack_seconds_bucket{le=0.005}"] == 2
    request = "method=GET,route=/health,status_class=2xx"
    assert found[f"http_request_seconds_count{{{request}}}"] == 2
    assert found["sessions_live{worker=0}"] == 2
    assert found["sessions_live{worker=1}"] == 3
    assert found["connections{role=recorder,worker=1}"] == 3


def test_a_label_that_only_one_worker_has_is_kept() -> None:
    metrics = Metrics()
    metrics.warnings.labels("decode_failed").inc(4)
    found = samples(
        merged({"a": exposition(metrics.registry), "b": exposition(Metrics().registry)}).decode()
    )
    assert found["warnings_total{code=decode_failed}"] == 4


def test_merging_one_worker_changes_nothing_but_the_label_of_gauges() -> None:
    one = worker(sessions=1, chunks=1)
    before, after = samples(one.decode()), samples(merged({"0": one}).decode())
    assert len(after) == len(before)
    assert {name: value for name, value in after.items() if "worker=" not in name} == {
        name: value for name, value in before.items() if name in after
    }
