"""Cooperation of nodes that share a bucket: relay to the owner of a session, and takeover.

`socket_relay` and `http_relay` relay a connection or a request that reached another node than the
owner of its session; `hop` limits a relay to one hop. `takeover` opens the sessions of dead nodes,
and at the start the active sessions of this node.

Nodes connect to each other at NODE_URL with the caller's credentials, which the owner checks again;
nodes need no credentials of their own. They relay only to addresses that are signed with
SIGNING_SECRET. Without SIGNING_SECRET, which is possible only without authentication, they relay
to any address and leave credentials out. The package writes nothing itself. Not promised: while an
owner is dead and its lease has not expired, its sessions can be read but not recorded to.
"""
