"""The growing WAV of one session on a volume, with its checkpoint beside it.

Both backends record into it: `storage.local` keeps it, `storage.s3` uses it as the spool.
`paths` names a session's files, `recording` writes them. Every chunk is one ``pwrite`` of audio
and one of the checkpoint, so that it survives ``kill -9``; it is durable once it is synced.
"""
