"""The names of downloaded files, after the title and the time of a recording."""

import re
import unicodedata
from datetime import UTC
from urllib.parse import quote

from storage.manifest import Manifest

_NO_TITLE = "recording"

# What Windows does not allow in names, and what leads to another folder.
_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')

# Control characters, formatting that reorders the text around it, surrogates, line separators.
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"  # some scripts and pictures need them

_MAX_BYTES = 180  # of the title; file systems allow 255 bytes with the time and the suffix


def content_disposition(manifest: Manifest, suffix: str, disposition: str) -> str:
    """Return the header of a download (RFC 6266): ``disposition`` is ``inline`` or ``attachment``.

    ``filename`` is in ASCII for old clients; ``filename*`` has the whole title (RFC 8187).
    """
    name = f"{_title(manifest)}-{_time(manifest)}.{suffix}"
    plain = name if name.isascii() else f"{_NO_TITLE}-{_time(manifest)}.{suffix}"
    header = f'{disposition}; filename="{plain}"'
    if manifest.title is None:
        return header
    return f"{header}; filename*=UTF-8''{quote(name, safe='')}"


def _time(manifest: Manifest) -> str:
    return f"{manifest.created_at.astimezone(UTC):%Y-%m-%d-%H%M%SZ}"


def _title(manifest: Manifest) -> str:
    """Return the title as a part of a name that every file system takes."""
    printable = "".join(
        each
        for each in manifest.title or ""
        if each in _JOINERS or unicodedata.category(each) not in _UNPRINTABLE
    )
    title = _FORBIDDEN.sub("-", printable).strip(" .")
    return title.encode()[:_MAX_BYTES].decode(errors="ignore").rstrip(" .") or _NO_TITLE
