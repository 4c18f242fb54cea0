"""Where recordings live.

A *storage* keeps, for every session, one growing WAV and one JSON manifest
beside it, plus whatever a reader needs after a crash, which goes when the
session closes. `storage.base` declares what every backend promises;
`storage.local` keeps everything in one folder.

Nothing here knows of sockets, sessions or decoders: this package never
imports `api`.
"""
