"""From the bytes that a client sends to PCM in the session's rate and channels.

`detect` names the container by its first bytes, `wav` reads WAV headers, `decoder`
chooses between the two ways (PCM that already fits passes through in Python, all
else goes to one ffmpeg per input stream), `ffmpeg` runs that process, and
`input_stream` ties them together for one recorder.

ffmpeg is the system's, else the one in the ``imageio-ffmpeg`` wheel. It reads
and writes nothing but its pipes.
"""
