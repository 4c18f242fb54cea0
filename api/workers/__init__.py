"""Several server processes of one service: ``serve --workers N``.

`supervisor` starts the workers, replaces those that died or hang, and keeps the counts of
`limits` for all of them. `control` connects a worker with it: a pair of Unix sockets that the
worker inherits. `loads` is memory that all of them share, by which they share out connections.
`start` is what a worker gets as its argument. With one worker the service is one process and has
none of this but `limits`.

Written: sockets in ``AUDIO_STORAGE_PATH/.workers``, in a folder of mode 700. Not promised: that a
service survives the death of its supervisor; its workers then stop in order.
"""
