"""The operator's commands, one module each: serve, settings, doctor, key, bucket, reindex,
webhooks, migrate, export, gc (`leftovers`).

The client's distribution installs the ``sercuescribe`` command, which finds these commands as
entry points (pyproject.toml). A command prints its result to stdout and exits with 0. An error is
one line on stderr and exit code 1; ``serve`` exits with 3 if uvicorn fails to start. ``doctor``
writes test files or objects and removes them, ``bucket init`` changes the bucket, ``reindex``
the index of a volume, ``webhooks`` the outbox, ``serve`` records. ``migrate`` and ``export`` add
sessions to another storage, ``gc`` deletes with ``--delete`` what crashes have left. ``settings``
and ``key`` write nothing.
"""
