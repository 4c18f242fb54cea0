"""Who may use the service, and for what.

`middleware` sees every request and every WebSocket handshake first: it checks host and origin and
adds the caller. The caller is known by an API key (`api_keys`), by a token of an identity provider
(`bearer`), or by a token that this service made for one session (`session_tokens`); `credentials`
finds which of them a request carries. `authorization` decides at each endpoint: a scope, and the
ownership of the session. `rate_limits` bounds how often; `signed_links` opens one file for a while.
`audit` writes who did what, as JSON lines, to the log ``sercuescribe.audit``.

Keys and tokens are never stored, logged or sent back; of an API key only the SHA-256 is known.
`settings` has the variables; docs/security.md has the whole table, and how to configure each mode.
"""
