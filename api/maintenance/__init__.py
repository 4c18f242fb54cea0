"""Background tasks on sessions: `expiry` ends them at their time limits, the others delete them.

`expiration` deletes completed sessions whose ``expires_at`` has come; with RETENTION_DAYS,
`retention` deletes the others by their age. They delete everything stored of a session, which needs
permission to list and delete; each deletion is in the audit log. Every node ends its own sessions;
of the nodes that share a bucket, one deletes. Not promised: an exact time; `expiry` runs every
second, `expiration` every minute, `retention` every hour.
"""
