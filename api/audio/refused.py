"""Known formats that the service does not record, by the first bytes of their files.

A client that sends one gets an error with its name: its bytes must not become noise in a recording.
Raw PCM may begin with any bytes. So a signature refuses only what fewer than one in 2**32 random
beginnings match: it has at least four fixed bytes, or a structure that is checked. Nor may they be
quiet samples or equal ones, as those of an icon (``00 00 01 00``) or of DTS are.
"""

from typing import NamedTuple

from api.audio import file_structures
from api.audio.file_structures import Check


class Signature(NamedTuple):
    """The bytes at fixed offsets with which a format begins, and a check of its structure."""

    name: str
    fixed: tuple[tuple[int, bytes], ...]
    check: Check | None = None

    def match(self, head: bytes) -> bool | None:
        """Return whether ``head`` begins a file of this format; None if it needs more bytes."""
        is_whole = True
        for offset, expected in self.fixed:
            found = head[offset : offset + len(expected)]
            if not expected.startswith(found):
                return False
            is_whole = is_whole and len(found) == len(expected)
        checked = True if self.check is None else self.check(head)
        return checked if is_whole or checked is False else None


def find(head: bytes) -> str | None:
    """Return the name of the refused format that begins with ``head``; None if it is none yet."""
    return next((each.name for each in SIGNATURES if each.match(head)), None)


def may_be_refused(head: bytes) -> bool:
    """Return whether more bytes could make ``head`` the beginning of a refused format."""
    return any(each.match(head) is None for each in SIGNATURES)


def _at_start(name: str, *starts: bytes, check: Check | None = None) -> tuple[Signature, ...]:
    return tuple(Signature(name, ((0, start),), check) for start in starts)


def _with_form(name: str, outer: bytes, *forms: bytes) -> tuple[Signature, ...]:
    """Return signatures of files of chunks, whose form follows the size of the first chunk."""
    return tuple(Signature(name, ((0, outer), (8, form))) for form in forms)


SIGNATURES: tuple[Signature, ...] = (
    # Audio
    *_with_form("AIFF", b"FORM", b"AIFF", b"8SVX"),
    *_with_form("AIFC", b"FORM", b"AIFC"),
    *_with_form("RIFX (big-endian WAV)", b"RIFX", b"WAVE"),
    *_with_form("MIDI", b"RIFF", b"RMID"),
    *_at_start("MIDI", b"MThd\0\0\0\x06"),
    *_at_start("CAF", b"caff\0\1\0\0"),
    *_at_start("AU", b".snd\0\0"),
    *_at_start("W64", bytes.fromhex("726966662e91cf11a5d628db04c10000")),
    *_at_start("AMR", b"#!AMR\n", b"#!AMR-WB\n", b"#!AMR_MC", b"#!AMR-WB_MC"),
    *_at_start("AC-3", b"\x0b\x77", check=file_structures.ac3),
    *_at_start("WavPack", b"wvpk"),
    *_at_start("Monkey's Audio", b"MAC "),
    *_at_start("True Audio", b"TTA1", b"TTA2"),
    *_at_start("Musepack", b"MPCK"),
    *_at_start("DSD", b"DSD \x1c\0\0\0", b"FRM8\0\0\0\0"),
    *_at_start("VOC", b"Creative Voice File\x1a"),
    *_at_start("NIST SPHERE", b"NIST_1A\n"),
    *_at_start("RealAudio", b".ra\xfd", b".RMF\0\0\0"),
    # Video
    *_with_form("AVI", b"RIFF", b"AVI "),
    *_at_start("ASF (WMA, WMV)", bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")),
    Signature("FLV", ((0, b"FLV\x01"), (5, b"\0\0\0\x09"))),
    Signature("MPEG-TS", ((0, b"G"), (188, b"G"), (376, b"G")), file_structures.mpeg_ts),
    *_at_start("MPEG-PS", b"\0\0\x01\xba", check=file_structures.mpeg_ps),
    # Pictures
    *_at_start("PNG", b"\x89PNG\r\n\x1a\n"),
    *_at_start("GIF", b"GIF87a", b"GIF89a"),
    Signature("JPEG", ((0, b"\xff\xd8\xff\xe0"), (6, b"JFIF\0"))),
    Signature("JPEG", ((0, b"\xff\xd8\xff\xe1"), (6, b"Exif\0"))),
    *_at_start("JPEG", b"\xff\xd8\xff\xdb\0\x43", b"\xff\xd8\xff\xdb\0\x84"),
    *_with_form("WebP", b"RIFF", b"WEBP"),
    *_at_start("TIFF", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"),
    Signature("BMP", ((0, b"BM"), (6, bytes(4))), file_structures.bmp),
    *(
        Signature("HEIF", ((0, b"\0\0"), (4, b"ftyp" + brand)))
        for brand in (b"avif", b"avis", b"heic", b"heix", b"hevc", b"mif1", b"msf1")
    ),
    *_at_start("Photoshop", b"8BPS\0\x01"),
    # Archives and documents
    *_at_start("ZIP", b"PK\x03\x04", b"PK\x05\x06\0\0"),
    *_at_start("gzip", b"\x1f\x8b\x08", check=file_structures.gzip),
    *(Signature("bzip2", ((0, b"BZh"), (4, start))) for start in (b"1AY&SY", b"\x17rE8P\x90")),
    *_at_start("xz", b"\xfd7zXZ\0"),
    *_at_start("Zstandard", b"\x28\xb5\x2f\xfd"),
    *_at_start("7z", b"7z\xbc\xaf\x27\x1c"),
    *_at_start("RAR", b"Rar!\x1a\x07"),
    Signature("tar", ((257, b"ustar"),), file_structures.tar),
    *_at_start("PDF", b"%PDF-"),
    *_at_start(
        "HTML", b"<", b"\xef\xbb\xbf", *(bytes([c]) for c in b" \t\r\n"), check=file_structures.html
    ),
)
