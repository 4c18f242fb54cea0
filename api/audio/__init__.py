"""From the bytes that a client sends to PCM in the session's rate and channels.

`detection` names the container by its first bytes, `wav_header` reads WAV headers, `choice`
chooses between two decoders: PCM that already fits passes through in Python (`pcm`), all else
goes through a framer (`framing`) to one `ffmpeg` per input stream. `stream_decoder` ties them
together for one input stream; `file_boundary` finds where a new file begins in its middle.
`formats` has what the service takes and records.

ffmpeg is the system's, else the one in the ``imageio-ffmpeg`` wheel. It reads and writes
nothing but its pipes, and needs no permission beyond starting processes.
"""
