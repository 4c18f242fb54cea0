"""Fuzz tests of the Python code that parses input from clients.

`seeds` are files as encoders make them, `mutations` break them, `properties` check what must hold
for any bytes, `random_wav` makes unusual WAV files and compares their decode with ffmpeg's.
``make test`` runs a few of each, always the same ones; ``python -m tests.fuzz SECONDS`` runs new
ones for that time.
"""
