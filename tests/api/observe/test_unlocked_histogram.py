"""The histogram without a lock gives the same samples as that of prometheus_client."""

from prometheus_client import CollectorRegistry, Histogram, generate_latest

from api.observe.unlocked_histogram import UnlockedHistogram

BOUNDS = (0.01, 0.5, 2.0)
VALUES = (0.0, 0.01, 0.010001, 0.4, 0.5, 1.0, 2.0, 3.0, 1000.0)


def test_its_text_is_that_of_the_client_library() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    histogram = UnlockedHistogram("x_seconds", "Times", BOUNDS, ours)
    reference = Histogram("x_seconds", "Times", registry=theirs, buckets=BOUNDS)
    for value in VALUES:
        histogram.observe(value)
        reference.observe(value)
    text = generate_latest(ours).decode()
    expected = [
        line for line in generate_latest(theirs).decode().splitlines() if "_created" not in line
    ]
    assert text.splitlines() == expected
