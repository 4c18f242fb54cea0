"""The endpoints, one module per group. The groups do not import each other.

WebSockets: `record` receives audio, `listen` sends it; both use `client_socket`. HTTP below
``/api/audio/sessions``: `sessions`, `audio`, `waveform`. Others: `health`, `docs`, `manual`,
`web_page` with `web_files`, and `options`. `request` has what all handlers use.

Except for `health`, `docs`, `manual` and the files of the page, every handler requires a scope: the
table in docs/security.md lists them. The package only reads files: those in ``web`` and
``clients/js``.
"""
