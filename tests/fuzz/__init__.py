"""What reads hostile bytes in Python is fed with broken ones.

`seeds` are files as encoders make them, `mutations` break them, `properties` say what must
hold of any bytes, `wavs` makes WAV files with every oddity of that format and compares what
becomes of them with ffmpeg. ``make test`` runs a few of each, always the same ones;
``python -m tests.fuzz SECONDS`` runs new ones for as long as it is told.
"""
