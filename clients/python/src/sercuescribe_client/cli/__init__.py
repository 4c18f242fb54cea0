"""The client's part of the ``sercuescribe`` command: record, sessions, download.

`commands` puts the parts of all installed distributions together. `screen` shows progress or
writes JSON, `exits` says how a command ends, `sources` reads what is to be recorded.
"""
