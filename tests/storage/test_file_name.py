"""The names of downloaded files."""

from datetime import UTC, datetime
from urllib.parse import unquote

import pytest

from storage.file_name import content_disposition
from tests.storage.conftest import new_manifest

TIME = "2026-01-02-030405Z"


def disposition(title: str | None) -> str:
    manifest = new_manifest(title=title, created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    return content_disposition(manifest, "wav", "attachment")


def test_without_a_title_the_name_is_the_time_of_recording() -> None:
    assert disposition(None) == f'attachment; filename="recording-{TIME}.wav"'


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Interview", "Interview"),
        ("a/b\\c:d", "a-b-c-d"),
        ("../../etc/passwd", "-..-etc-passwd"),
        ('"; filename="x.exe', "-; filename=-x.exe"),
        ("a\r\nSet-Cookie: b", "aSet-Cookie- b"),
        ("exe.vaw\u202e", "exe.vaw"),
        ("...", "recording"),
        ("100 %", "100 %"),
        ("Zoë 👩\u200d🚀", "Zoë 👩\u200d🚀"),
        ("🎵" * 200, "🎵" * 45),
    ],
    ids=["plain", "separators", "parents", "quotes", "lines", "direction", "dots", "percent",
         "unicode", "long"],
)  # fmt: skip
def test_a_title_is_a_name_that_every_file_system_and_header_takes(title: str, name: str) -> None:
    header = disposition(title)
    plain, _, extended = header.partition("; filename*=UTF-8''")
    assert unquote(extended) == f"{name}-{TIME}.wav"
    assert extended.isascii()
    assert not set(extended) & set('"; \r\n')
    stem = name if name.isascii() else "recording"
    assert plain == f'attachment; filename="{stem}-{TIME}.wav"'
