"""Waveforms: the lowest and highest sample of every 20 ms.

`peaks` is their format (audiowaveform's, version 2), `pixels` reads them from a file as they are
needed, `growing_file` is the file that grows with a recording, `measuring` reads audio that has not
been measured yet.
"""
