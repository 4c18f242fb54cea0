"""What the storage reports is in the metrics."""

from prometheus_client import generate_latest

from api.observe.metrics import Metrics
from api.observe.storage_observer import StorageObserver
from api.observe.tracing import Tracing
from tests.exposition import samples


def test_each_report_has_a_metric() -> None:
    metrics = Metrics()
    observer = StorageObserver(metrics, Tracing())
    observer.persisted(3.0)
    observer.synced(0.2)
    observer.requested("PutObject", 0.3)
    observer.failed("PutObject")
    observer.warned("kept_input_lost")
    found = samples(generate_latest(metrics.registry).decode())
    assert found["persist_lag_seconds_sum"] == 3.0
    assert found["sync_seconds_sum"] == 0.2
    assert found["store_request_seconds_sum{operation=PutObject}"] == 0.3
    assert found["store_errors_total{operation=PutObject}"] == 1
    assert found["warnings_total{code=kept_input_lost}"] == 1
