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


def test_each_sample_gets_the_label_worker() -> None:
    texts = {"1": worker(sessions=2, chunks=5), "2": worker(sessions=3, chunks=7)}
    found = samples(merged(texts).decode())
    assert (found["chunks_total{worker=1}"], found["chunks_total{worker=2}"]) == (5, 7)
    assert found["sessions_created_total{format=wav,worker=2}"] == 1
    assert found["chunk_ack_seconds_count{worker=1}"] == 1
    assert found["chunk_ack_seconds_bucket{le=0.0025,worker=1}"] == 0
    assert found["chunk_ack_seconds_bucket{le=0.005,worker=1}"] == 1
    assert found["sessions_live{worker=1}"] == 2
    assert found["connections{role=recorder,worker=2}"] == 3
    assert len(found) == sum(len(samples(each.decode())) for each in texts.values())


def test_no_counter_falls_when_a_worker_is_missing() -> None:
    one, two = worker(sessions=2, chunks=5), worker(sessions=3, chunks=7)
    before = samples(merged({"1": one, "2": two}).decode())
    after = samples(merged({"1": one}).decode())
    assert after.items() <= before.items()
