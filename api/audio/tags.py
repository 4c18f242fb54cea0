"""Tags of audio files: ID3v1 and ID3v2, APEv2, Lyrics3. They are no audio and no damage.

Formats: the ID3v2.4.0 informal standard, section 3; the ID3v1, APEv2 and Lyrics3 v2.00 pages of
id3.org and hydrogenaud.io.
"""

ID3_HEADER_BYTES = 10

_ID3V1_BYTES = 128
_APE_HEADER_BYTES = 32
_LYRICS_SIZE_BYTES = 6  # decimal digits in front of the end of Lyrics3 v2.00
_LYRICS_END = b"LYRICS200"
_LYRICS_BEGIN = b"LYRICSBEGIN"
_MAX_LYRICS_FIELDS = 32  # eight are defined
_MAX_OLD_LYRICS_BYTES = 5100 + len("LYRICSBEGIN" + "LYRICSEND")

_MAGIC = (b"ID3", b"TAG", b"APETAGEX", _LYRICS_BEGIN)


def tag_bytes(head: bytes | bytearray) -> int | None:
    """Return the length of the tag at the start of ``head``; 0: no tag; None: more bytes needed."""
    if head.startswith(b"ID3"):
        return id3_bytes(head)
    if head.startswith(b"APETAGEX"):
        return _ape_bytes(head)
    if head.startswith(b"TAG"):
        return _ID3V1_BYTES
    if head.startswith(_LYRICS_BEGIN):
        return _lyrics_bytes(head)
    return None if any(magic.startswith(head) for magic in _MAGIC) else 0


def id3_bytes(head: bytes | bytearray) -> int | None:
    """Return the length of the ID3v2 tag at the start of ``head``; 0: it is not valid."""
    if len(head) < ID3_HEADER_BYTES:
        return None
    version, flags, size_field = head[3], head[5], head[6:10]
    # By chance, random PCM is such a header with a probability of 2 ** -38.
    if version not in {2, 3, 4} or head[4] == 0xFF or flags & 0x0F or max(size_field) > 0x7F:
        return 0
    size = 0
    for byte in size_field:
        size = size << 7 | byte
    return ID3_HEADER_BYTES + size + (ID3_HEADER_BYTES if flags & 0x10 else 0)


def _ape_bytes(head: bytes | bytearray) -> int | None:
    if len(head) < _APE_HEADER_BYTES:
        return None
    size = int.from_bytes(head[12:16], "little")  # of the items and the footer
    is_header = head[23] & 0x20
    return _APE_HEADER_BYTES + (size if is_header else 0)


def _lyrics_bytes(head: bytes | bytearray) -> int | None:
    """Return the length of a Lyrics3 tag: fields of a name and a length, or text up to its end."""
    position = len(_LYRICS_BEGIN)
    for _ in range(_MAX_LYRICS_FIELDS):
        field = head[position : position + _LYRICS_SIZE_BYTES + len(_LYRICS_END)]
        if field[_LYRICS_SIZE_BYTES:] == _LYRICS_END:
            return position + len(field)
        if len(field) < _LYRICS_SIZE_BYTES + len(_LYRICS_END):
            return None
        if not (field[:3].isalpha() and field[3:8].isdigit()):
            break
        position += 8 + int(field[3:8])
    end = head.find(b"LYRICSEND", 0, _MAX_OLD_LYRICS_BYTES)
    if end >= 0:
        return end + len(b"LYRICSEND")
    return 0 if len(head) >= _MAX_OLD_LYRICS_BYTES else None
