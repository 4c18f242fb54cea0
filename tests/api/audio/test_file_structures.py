"""Structures tell a file of a format from other bytes that begin like one."""

import gzip
import io
import struct
import tarfile

import pytest

from api.audio import file_structures
from api.audio.file_structures import Check
from tests.audio import encode, speech

_MAX_HEAD_BYTES = 8 * 1024


def _bmp(header_bytes: int = 40) -> bytes:
    return b"BM" + struct.pack("<IHHII", 4096, 0, 0, 54, header_bytes) + bytes(100)


def _tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a folder/speech.wav"))
    return file.getvalue()


def _changed(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 0x55]) + data[position + 1 :]


AC3 = encode(speech(), "-c:a", "ac3", "-ar", "44100", "-f", "ac3")
MPEG_TS = encode(speech(), "-c:a", "aac", "-f", "mpegts")
GZIP = gzip.compress(speech())
TAR = _tar()
HTML = b"\xef\xbb\xbf\r\n  <!DOCTYPE html><html></html>"

FILES: dict[Check, tuple[bytes, ...]] = {
    file_structures.mpeg_ts: (MPEG_TS,),
    file_structures.mpeg_ps: (
        encode(speech(), "-c:a", "mp2", "-f", "mpeg"),
        encode(speech(), "-c:a", "mp2", "-f", "vob"),
    ),
    file_structures.ac3: (AC3, encode(speech(), "-c:a", "eac3", "-ar", "48000", "-f", "eac3")),
    file_structures.bmp: (_bmp(40), _bmp(124)),
    file_structures.gzip: (GZIP,),
    file_structures.html: (HTML, b"<?xml version='1.0'?>" + bytes(100)),
    file_structures.tar: (TAR,),
}
NO_FILES: dict[Check, tuple[bytes, ...]] = {
    # A tone whose period is that of the packets, and a table whose CRC is wrong.
    file_structures.mpeg_ts: (
        (b"\x47" + bytes(187)) * 3,
        _changed(MPEG_TS[:188], 20) + (b"\x47" + bytes(187)) * 2,
    ),
    file_structures.mpeg_ps: (b"\0\0\1\xba" + bytes(100),),
    file_structures.ac3: (_changed(AC3, 100), b"\x0b\x77\0\0\xff" + bytes(8192), b"\0" * 100),
    file_structures.bmp: (_bmp(41),),
    file_structures.gzip: (_changed(GZIP, 3), _changed(GZIP, 8), _changed(GZIP, 9)),
    file_structures.html: (b"<p>" + bytes(100), bytes(100)),
    file_structures.tar: (_changed(TAR, 300), bytes(512), b"\x01" + TAR[1:]),
}


@pytest.mark.parametrize("check", FILES)
def test_a_file_is_recognised_after_less_than_8_kib_and_not_refused_before(check: Check) -> None:
    for data in FILES[check]:
        lengths = (*range(4, 256), *range(256, _MAX_HEAD_BYTES, 13), _MAX_HEAD_BYTES - 1)
        answers = [check(data[:length]) for length in lengths]
        assert answers[-1] is True
        assert False not in answers


@pytest.mark.parametrize("check", NO_FILES)
def test_bytes_that_only_begin_like_a_file_are_none(check: Check) -> None:
    for data in NO_FILES[check]:
        assert check(data) is False
