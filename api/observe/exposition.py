"""The text format of Prometheus, version 0.0.4: of one process, and of several merged into one."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_WORKER = "worker"


def exposition(registry: CollectorRegistry) -> bytes:
    """Return all metrics of ``registry`` as text. Takes milliseconds: call it in a thread."""
    return generate_latest(registry)


def merged(expositions: Mapping[str, bytes]) -> bytes:
    """Return one text of those of several workers, by the name of the worker.

    Each sample gets the label ``worker``. A sum would fall when a worker ends or does not answer,
    and Prometheus takes a counter that falls for one that began again at 0.
    """
    families: dict[str, Metric] = {}
    for worker, text in expositions.items():
        for found in text_string_to_metric_families(text.decode()):
            family = families.setdefault(
                found.name, Metric(found.name, found.documentation, found.type)
            )
            for sample in found.samples:
                family.add_sample(sample.name, sample.labels | {_WORKER: worker}, sample.value)
    registry = CollectorRegistry()
    registry.register(_Families(families.values()))
    return exposition(registry)


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families
