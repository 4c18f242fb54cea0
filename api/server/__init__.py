"""Replacements of parts of uvicorn: its HTTP protocol and its WebSocket protocol.

Both limit what a connection can use before a handler runs. `http_protocol` limits the time and the
size of a request and the number of incomplete requests; `websocket_protocol` gives binary messages
to a callback of the handler and bounds what it sends by itself, on top of `round_robin`, which
parses the input of connections in turns. `transport` aborts a connection whose peer stops reading.
`forwarded` takes client and scheme from trusted proxies. `process` configures the server. They
write no files.
"""
