"""The service: live audio in over WebSockets, one WAV per session out.

`api.app` puts the parts together, `api.cli` runs them. `api.settings` reads the
environment (nothing else does), `api.routes.record` owns the sockets, `api.routes.sessions`
and `api.routes.health` the HTTP endpoints, `api.session` a session's order, counts and
state, and `api.audio` turns any bytes into PCM. What is recorded goes to
`storage`, which knows nothing of this package.
"""

from importlib.metadata import version

__version__ = version("sercuescribe")
