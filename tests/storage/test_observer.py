"""The observer that a storage has by default ignores every report."""

from storage.observer import IGNORE


def test_every_report_is_ignored() -> None:
    IGNORE.persisted(1.0)
    IGNORE.synced(1.0)
    IGNORE.requested("PutObject", 1.0)
    IGNORE.failed("PutObject")
    IGNORE.warned("kept_input_lost")
    with IGNORE.span("put segment", "a session"):
        pass
