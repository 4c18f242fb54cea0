"""Waveforms: the lowest and highest sample of every 20 ms.

`peaks` is their format (audiowaveform's, version 2), `growing_file` the file that grows with a
recording, `measuring` reads audio that has not been measured yet.
"""
