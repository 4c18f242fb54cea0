"""The operator's commands, one module each: serve, settings, doctor, key, bucket.

`main` combines them with the client's commands into the ``sercuescribe`` command. A command prints
its result to stdout and exits with 0. An error is one line on stderr and exit code 1; ``serve``
exits with 3 if uvicorn fails to start. ``doctor`` writes test files or objects and removes them,
``bucket init`` changes the bucket, ``serve`` records. ``settings`` and ``key`` write nothing.
"""
