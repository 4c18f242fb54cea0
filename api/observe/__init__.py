"""What the service says of itself: the log on stderr, and metrics for Prometheus.

The log passes a filter that redacts tokens and signatures. The metrics are read over HTTP; they
hold no id, no user and no address, and are lost with the process. No file is written.
"""
