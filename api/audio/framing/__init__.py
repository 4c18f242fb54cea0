"""Framers: parse the input before ffmpeg and pass on only complete, plausible frames.

On a pipe, ffmpeg's demuxers for ADTS, MP4 and Ogg may lose everything after one damaged header
and exit as if the stream had ended, and what its demuxer for WebM loses depends on timing. So the
framers parse these formats: they pass undamaged input on, skip anything else up to the next sync
point, and count the skipped bytes. In MP3 and FLAC ffmpeg handles damage itself; there the framers
find the end of the file.
`bare_pcm` wraps PCM in Matroska, so that ffmpeg decodes every frame as soon as it arrives.
"""
