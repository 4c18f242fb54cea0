"""Measurements: each module prints a result and the baseline that it is compared with.

``make bench`` runs all of them, ``python -m bench hot_path`` one. Machines are noisy, so a claim
is a ratio of two values that were measured in one run.
"""
