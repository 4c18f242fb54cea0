"""The log of the service, written to stderr. No file is written.

Every line passes a filter that redacts tokens and signatures in URLs.
"""
