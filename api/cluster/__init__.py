"""What nodes that share a bucket do for each other.

`relay` hands a request or a WebSocket on to the node that has its session.
"""
