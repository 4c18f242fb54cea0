"""The operator's commands, one module each: serve, settings, doctor, key, bucket.

`main` makes the ``sercuescribe`` command of them and of the client's. A command prints its result
to stdout and exits with 0; an error is one line on stderr and exit code 1.
"""
