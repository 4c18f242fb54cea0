"""Who may come in, and what for.

Every request, and every WebSocket's handshake, goes through `door`: is the host ours, may the
page's origin use us, is this client within its rate, and who is it? Who it is comes from an API
key (`api_keys`), from a token of your identity provider (`bearer`), or from a token that this
service made for one session (`session_tokens`). What they may do is decided at each endpoint by
`admission`: a scope, and the ownership of the session. What was done is told by `audit`: JSON
lines in the log of the name ``sercuescribe.audit``.

Keys and tokens are never stored, logged or told back. An API key is known by its SHA-256 alone.
docs/security.md has the whole table, and how to configure each mode.
"""
