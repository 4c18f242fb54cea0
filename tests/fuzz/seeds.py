"""Short files of every detected format, from real encoders."""

import functools
import struct

from tests.audio import chunk, encode, extensible, pcm, speech, wav

_SAMPLE_RATE = 22050
_FRAGMENTED = ("-movflags", "frag_keyframe+empty_moov+default_base_moof", "-f", "mp4")
_ENCODED = {
    "mp3 after a tag": ("-c:a", "libmp3lame", "-f", "mp3"),
    "mp3": ("-c:a", "libmp3lame", "-write_xing", "0", "-id3v2_version", "0", "-f", "mp3"),
    "flac": ("-c:a", "flac", "-f", "flac"),
    "aac": ("-c:a", "aac", "-f", "adts"),
    "opus in ogg": ("-c:a", "libopus", "-f", "ogg"),
    "webm": ("-c:a", "libopus", "-f", "webm", "-live", "1"),
    "mp4": ("-c:a", "aac", "-frag_duration", "100000", *_FRAGMENTED),
}
_MAX_BYTES = 8000


@functools.cache
def seeds() -> dict[str, bytes]:
    """Return the files by name; none is longer than a few kilobytes."""
    sound = wav(speech()[30_000:45_000], sample_rate=_SAMPLE_RATE)
    files = {name: encode(sound, *options)[:_MAX_BYTES] for name, options in _ENCODED.items()}
    assert all(len(data) > 1000 for data in files.values())
    ds64 = chunk(b"ds64", struct.pack("<QQQI", 0, 600, 300, 0))
    tag = b"ID3\x04\x00\x00\x00\x00\x02\x00" + bytes(256)
    return {
        **files,
        "aac after a tag": tag + files["aac"],
        "flac after a tag": tag + files["flac"],
        "wav": wav(pcm(300), sample_rate=_SAMPLE_RATE),
        "wav with chunks before and after": wav(
            pcm(300), before=chunk(b"LIST", b"INFOodd"), after=chunk(b"data", pcm(30))
        ),
        "extensible wav": extensible(pcm(300)),
        "wav of 24 bits": wav(bytes(range(240)), sample_bits=24, sample_rate=_SAMPLE_RATE),
        "rf64": b"RF64" + wav(pcm(300), before=ds64, data_bytes=0xFFFFFFFF)[4:],
        "raw pcm": pcm(500),
        "empty": b"",
    }
