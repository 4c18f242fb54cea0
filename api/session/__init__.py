"""Sessions: their order, counts and state, without a socket.

`session` is one session as a machine that bytes go into; `registry` knows the ones
that are live in this process, opens others from storage and ends them; `expiry`
says when time ends something; `clock` is where time comes from.

A session that cannot be continued here (its storage failed) is let go, not repaired:
whoever touches it next opens it from storage, at its last checkpoint.
"""
