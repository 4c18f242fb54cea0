"""Reads the text format of Prometheus with the parser of its own client library."""

from prometheus_client.parser import text_string_to_metric_families

Samples = dict[str, float]


def samples(text: str) -> Samples:
    """Return all samples; the name of one with labels is ``name{label=value,...}``, sorted."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            name = sample.name.removeprefix("sercuescribe_")
            found[f"{name}{{{labels}}}" if labels else name] = sample.value
    return found


def label_values(text: str) -> set[str]:
    """Return the values of all labels."""
    return {
        value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        for value in sample.labels.values()
    }
