"""Sends audio to SercueScribe without losing a sample, whatever happens to the connection."""
