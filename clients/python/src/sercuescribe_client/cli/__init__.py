"""The client's part of the ``sercuescribe`` command: record, sessions, download.

`commands` loads the commands of all installed distributions. `progress_display` shows progress or
writes JSON, `exit_codes` maps errors to exit codes, `audio_sources` reads files and standard input.
"""
