"""The service: records live audio from WebSockets, one WAV per session.

`app` builds the application, `cli` has the operator's commands, `settings` reads the environment.
`routes` has the endpoints, `access` authenticates callers, `session` keeps the order, counts and
state of sessions, `audio` decodes input to PCM, `wire` defines messages and errors. `cluster`
relays between nodes, `maintenance` ends and deletes sessions, `server` replaces parts of uvicorn,
`observe` configures the log, `clock` is the time.

Recordings and all other files are written by the package `storage`, which does not import `api`,
and `.signing-key` by `access`. The service needs write access to AUDIO_STORAGE_PATH, permission to
start ffmpeg processes, and with s3 the permissions in infra/README.md.
"""

from importlib.metadata import version

__version__ = version("sercuescribe")
