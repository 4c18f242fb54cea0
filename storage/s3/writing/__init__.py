"""From the spool into the bucket: segments, then the parts of the final file.

`spool` holds what the bucket does not have yet, `segment_log` is what is persisted, `upload` and
`final_file` make the WAV, `digest` its checksum and waveform. `recording` runs all of them;
`restore` makes a spool anew if another node had it.
"""
