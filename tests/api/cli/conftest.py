"""Fixtures of the storage tests, for commands that work on a storage."""

from tests.storage.conftest import volume

__all__ = ["volume"]
