"""Dialects: how telephone and voice platforms speak on a WebSocket.

Each dialect is a pure object (`events.Dialect`) without I/O, clock or knowledge of sessions: texts
and binary messages in, events out. `names` lists the dialects; `detection` finds the one of a
connection by its handshake and its first message; `tracks` puts the audio of its events in order.

A platform gets no message but the replies of its dialect: most platforms treat an unexpected
message as a command or an error, and some play binary messages to the caller.
"""
