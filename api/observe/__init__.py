"""What the service tells its operator: the log."""
