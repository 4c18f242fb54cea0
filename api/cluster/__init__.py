"""What nodes that share a bucket do for each other.

`socket_relay` and `http_relay` relay what reached another node than the owner of its session, by
one `hop`. `takeover` opens the sessions of nodes that died, and at start those of this one.
"""
