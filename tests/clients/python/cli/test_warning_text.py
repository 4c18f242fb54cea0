"""A warning is one line with its cause, its code and its place."""

from sercuescribe_client import SessionWarning
from sercuescribe_client.cli.warning_text import warning_text


def test_a_warning_names_its_cause_its_code_and_its_place() -> None:
    warning = SessionWarning(
        code="decode_failed", message="the MP3 is damaged", chunk_count=7, frame=44100
    )
    text = warning_text(warning)
    assert text == "the MP3 is damaged (decode_failed, noticed after chunk 7)"
