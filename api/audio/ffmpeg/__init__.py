"""ffmpeg processes: one per input stream that needs a decoder, one per converted download.

`command` finds the program and builds its command line. `sandbox` builds the commands that limit
its privileges. `process` is a child process with its pipes. `launcher` limits how many start at the
same time. `decoder` decodes one input stream, `feed` passes the input to it, and `encoder` converts
a download to another format.

A process writes no files and gets an empty environment. Where the platform allows it, it has no
network, limited memory and an unprivileged user; `preflight` logs what is missing.
"""
