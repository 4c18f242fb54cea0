"""What replaces parts of uvicorn: its HTTP protocol and its WebSocket protocol.

Both bound what a connection can cost before a handler sees it: time, size and turns.
"""
