"""Sessions: their order, counts and state, without sockets.

`core` is the state machine of one session, without I/O: it gets events and returns actions.
`session` carries out the actions: it opens and ends the input streams. An `input_stream` has the
files of one recorder (`stream_files`), and skips chunks during a pause (`paused_input`). It appends
PCM through the `ledger`, and keeps input through `kept_input`; `pauses` and `session_timeline`
write to the same recording, `connection_spans` what each connection has sent. All of them write
through `checkpoint_writer`, with `write_retries`; `losses` tells of what could not be recorded.

`registry` creates, finds, opens and closes sessions. `live_sessions` has those that are live in
this process, `takeovers` opens the others from storage, `pages` lists both, and `deletions`
deletes them. `found` is the result of a look-up. `connection` is the interface of a client's
connection. `progress` wakes listeners. `parameters` checks the parameters of a new session,
`disk_reserve` the free space for it; `info` builds the information about a session, `counts` those
in messages.

All files and objects are written by the package `storage`. If storage fails for longer than the
retries, the session is released: clients get an error, and the next client that connects opens the
session from storage at its last checkpoint. Chunks that were not acknowledged are then not in the
recording.
"""
