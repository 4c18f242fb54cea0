"""Background tasks on sessions: `expiry` ends them at their time limits, `retention` deletes them.

With RETENTION_DAYS, `retention` deletes completed sessions with everything stored of them, which
needs permission to list and delete; each deletion is in the audit log. Every node ends its
own sessions; of the nodes that share a bucket, one deletes. Not promised: an exact time; `expiry`
runs every second, `retention` every hour.
"""
