"""What the service says of itself: the log, metrics for Prometheus, traces by OpenTelemetry.

The log goes to stderr, and the audit log to a file if AUDIT_LOG names one; both pass a filter that
redacts tokens and signatures. The metrics are read over HTTP; they hold no id, no user and no
address, and are lost with the process. Traces are sent to a receiver, with the ids of sessions.
"""
