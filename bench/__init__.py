"""Measurements: each module prints what it measured, and what beside it.

``make bench`` runs them all; ``python -m bench hot_path`` one. Machines are noisy, so
a claim is a ratio of two things measured in one run.
"""
