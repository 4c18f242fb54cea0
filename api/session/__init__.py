"""Sessions: their order, counts and state, without a socket.

`core` is the state machine of one session, pure: events in, actions out. `session` is its shell:
it opens and ends the input streams (`input_stream`), which write through the `ledger` into the
recording. `registry` knows the sessions that are live in this process, opens others from storage
and ends them. `parameters` checks what a client asks for; `info` is what it is told.

A session that cannot be continued here (its storage failed) is released, not repaired: the next
client that connects to it opens it from storage, at its last checkpoint.
"""
