"""Only whole, plausible frames reach ffmpeg, for the formats whose damage ends it.

ffmpeg's demuxers for ADTS, MP4 and Ogg may lose everything behind one damaged header on a
pipe, and exit as if the stream had ended. So their framing is followed here: undamaged
input goes through byte by byte, and what is no frame is skipped up to the next sync point
and counted. `matroska` wraps bare PCM, so that ffmpeg decodes every frame as soon as it has it.
"""
