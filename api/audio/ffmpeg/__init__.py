"""ffmpeg as the service runs it: one process for each stream that does not pass through.

`command` finds the program and builds its command line, `sandbox` is what stands in front of
it, `process` is a child with its pipes, `launcher` starts a few at a time, `decoder` reads an
input stream, `encoder` writes a download in another format.
"""
