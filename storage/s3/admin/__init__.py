"""Preparing a bucket, and trying what the service needs of its store."""
