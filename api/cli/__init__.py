"""The operator's commands, one module each: serve, settings, doctor, key, bucket.

The client's distribution installs the ``sercuescribe`` command, which finds these commands as
entry points (pyproject.toml). A command prints its result to stdout and exits with 0; an error is
one line on stderr and exit code 1.
"""
