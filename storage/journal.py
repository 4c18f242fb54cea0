"""The journal of a session: where the bytes of its inputs are, in the order of their arrival.

The bytes of an input are either PCM of the recording, or kept input (`storage.volume.paths`). The
journal says which, so that the digest of an input can be made from what is stored, also after a
crash. It is stored as kept input number `JOURNAL`, so that a checkpoint counts it together with
the audio. Each entry is one record of `storage.record` with MessagePack.

An input is the bytes of one recorder. It has the number of its first stream; each further file of
the same recorder is a stream with a number of its own.
"""

from collections.abc import Iterator

import msgspec

from storage import record
from storage.errors import decoding

JOURNAL = 0  # no input stream has this number


class Kept(msgspec.Struct, frozen=True, array_like=True, tag="kept", gc=False):
    """The input goes on with kept bytes ``start`` to ``stop`` of stream ``number``.

    ``at`` is here and below the length of the recording at that moment, in bytes of PCM.
    """

    at: int
    input: int
    number: int
    start: int
    stop: int


class KeptOpen(msgspec.Struct, frozen=True, array_like=True, tag="open", gc=False):
    """All kept bytes of stream ``number`` from ``start`` on will be in the input.

    A `Kept` with the same ``number`` and ``start`` says where they end.
    """

    at: int
    input: int
    number: int
    start: int


class Pcm(msgspec.Struct, frozen=True, array_like=True, tag="pcm", gc=False):
    """The PCM from ``at`` on is that of ``input``, to the next entry of this kind; 0: of none.

    ``skip`` more bytes of its PCM are left out, because they are in kept bytes; fewer if it is
    negative, because the kept bytes after it have them too.
    """

    at: int
    input: int
    skip: int = 0


class NextFile(msgspec.Struct, frozen=True, array_like=True, tag="file", gc=False):
    """Stream ``number`` belongs to ``input``, whose kept bytes before ``start`` are there twice."""

    at: int
    input: int
    number: int
    start: int


class Unknown(msgspec.Struct, frozen=True, array_like=True, tag="unknown", gc=False):
    """What came before is not in the journal: a release without one has recorded it."""

    at: int


Entry = Kept | KeptOpen | Pcm | NextFile | Unknown

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


def encode(entry: Entry) -> bytes:
    """Return the record of the entry."""
    return record.encode(_encode(entry))


def decode(data: bytes) -> Iterator[Entry]:
    """Yield the entries of whole records. Raises `BadObjectError` if one is damaged."""
    with decoding("the journal is damaged"):
        for payload in record.split_whole(data):
            yield _decode(payload)
