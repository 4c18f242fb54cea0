"""A warning of a session as one line of text."""

from sercuescribe_client.models import SessionWarning


def warning_text(warning: SessionWarning) -> str:
    return f"{warning.message} ({warning.code}, noticed after chunk {warning.chunk_count})"
