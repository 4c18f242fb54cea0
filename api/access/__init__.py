"""Authentication, authorization, rate limits, signatures and the audit log.

`middleware` handles every request and every WebSocket handshake first: it checks host (`hosts`) and
origin (`origins`) and adds the caller, whose address `proxies` finds behind proxies. `credentials`
finds the credential of a request: an API key (`api_keys`), a token of an identity provider
(`bearer`, with the keys of `key_sets`), or a token that this service created for one session
(`session_tokens`). `authorization` checks at each endpoint that the caller has the scope and owns
the session. `rate_limits` limits handshakes and new sessions, per process. `signed_links` creates
and checks download links. `audit` writes one JSON line per event to the log
``sercuescribe.audit``; `refusals` does so for every request that is denied.

Files: `signing` writes ``.signing-key`` in the storage folder (mode 0600) unless SIGNING_SECRET is
set. API_KEYS_FILE and JWT_JWKS are only read, on each use (`watched_file`). The service never
stores, logs or sends back a key or a token; it knows the SHA-256 of each API key. Not promised:
revoking a key does not close its open connections. `settings` has the variables; docs/security.md
has the table of endpoints and scopes, and the configuration of each mode.
"""
