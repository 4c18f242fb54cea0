"""Decoding: turns the bytes that a client sends into PCM in the session's rate and channels.

`head` holds the first bytes of a stream, `detection` identifies the container by them, `wav_header`
reads WAV headers, and `choice` selects the decoder: PCM with matching parameters passes through in
Python (`pcm`); everything else goes through a framer (`framers`, `framing`) to one `ffmpeg` process
per input stream. `stream_decoder` combines them for one file, and says where the next one begins.
`formats` lists the accepted formats, rates and channels; `tags` measures tags, which are no audio.

The package uses the ffmpeg on the PATH, else the one of the ``imageio-ffmpeg`` wheel. ffmpeg reads
and writes only its three pipes; no file is written. The service must be allowed to start processes.
Not promised: some damage cannot be detected, such as whole frames that are missing at the end of
an MP3 or Ogg stream.
"""
