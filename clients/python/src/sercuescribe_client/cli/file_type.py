"""Whether the first bytes of a file are those of a format that the service recognises."""

HEAD_BYTES = 12
RAW_FORMATS = ("pcm_s16le", "pcm_f32le", "mulaw", "alaw")

_STARTS = (b"fLaC", b"OggS", b"\x1a\x45\xdf\xa3", b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN")
_WAV_TAGS = (b"RIFF", b"RF64", b"BW64")


def is_recognised(head: bytes) -> bool:
    """Return whether ``head`` begins a WAV, FLAC, Ogg, WebM, MP4, MP3 or AAC.

    Of MPEG audio and ADTS it sees only the sync word: the service looks further.
    """
    return (
        head.startswith(_STARTS)
        or (head[:4] in _WAV_TAGS and head[8:12] == b"WAVE")
        or head[4:8] == b"ftyp"
        or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0)
    )
