"""Where recordings live.

A *storage* keeps one growing WAV and one JSON manifest for every session, and, while the
session is active, what is needed after a crash. `storage.base` declares what every backend
promises; `storage.local` keeps everything in one folder, `storage.s3` in one bucket.

Nothing here knows of sockets, sessions or decoders: this package never
imports `api`.
"""
