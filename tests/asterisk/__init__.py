"""Asterisk 22 itself as the client. `make test-asterisk` fetches it and runs this package."""
