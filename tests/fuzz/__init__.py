"""Fuzz tests of the Python code that parses input from clients.

`seeds` has files from real encoders, `mutations` damages them, `properties` checks what must hold
for any bytes, `random_wav` makes unusual WAV files and compares their decode with that of ffmpeg.
``make test`` runs a few fixed examples of each; ``python -m tests.fuzz SECONDS`` runs new ones for
that time.
"""
