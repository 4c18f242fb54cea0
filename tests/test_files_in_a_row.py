"""Several files in one stream: each is recorded as if it came alone, however the input is cut."""

import asyncio
import functools
import hashlib
import itertools
from collections.abc import Callable

import pytest

from tests.audio import cut, decode, encode, pcm, speech, wav
from tests.parameters import long_except_first
from tests.service import Service

RATE = 22050
FRAGMENTED = ("-movflags", "frag_keyframe+empty_moov+default_base_moof", "-f", "mp4")
OPTIONS: dict[str, tuple[str, ...]] = {
    "wav": ("-c:a", "pcm_s16le", "-bitexact", "-f", "wav"),
    "wav of 24 bits": ("-c:a", "pcm_s24le", "-f", "wav"),
    "wav of adpcm": ("-c:a", "adpcm_ms", "-f", "wav"),
    "aac": ("-c:a", "aac", "-f", "adts"),
    "flac": ("-f", "flac"),
    "mp3": ("-f", "mp3"),
    "ogg": ("-c:a", "libvorbis", "-f", "ogg"),
    "webm": ("-c:a", "libopus", "-f", "webm", "-live", "1"),
    "mp4": ("-c:a", "aac", *FRAGMENTED),
}
PAIRS = [
    (first, second)
    for first, second in itertools.product(OPTIONS, ("wav", "mp3", "flac", "aac", "webm", "mp4"))
    if first != second or first not in {"aac", "mp3"}  # one stream, see docs/protocol.md
]


@functools.cache
def encoded(name: str) -> bytes:
    """Return a file; its sizes are those of a finished one, not of a stream."""
    data = encode(wav(speech()[44 : 44 + RATE], sample_rate=RATE), *OPTIONS[name])
    if not name.startswith("wav"):
        return data
    place = data.index(b"data") + 4
    return data[:place] + (len(data) - place - 4).to_bytes(4, "little") + data[place + 4 :]


@functools.cache
def decoded(name: str) -> bytes:
    return decode(encoded(name), sample_rate=RATE)


def cuts(first: bytes, second: bytes) -> list[list[bytes]]:
    whole, end = first + second, len(first)
    return [
        [whole],
        [first, second],
        [whole[: end - 3], whole[end - 3 :]],
        [whole[: end + 1], whole[end + 1 : end + 9], whole[end + 9 :]],
        list(cut(whole, 997)),
    ]


async def record(service: Service, pieces: list[bytes]) -> tuple[bytes, str | None]:
    """Return the recording of ``pieces``, and its error."""
    async with service.session(sample_rate=RATE) as client:
        for piece in pieces:
            assert (await client.send(piece))["type"] == "chunk"
        closed = await client.close_session()
    assert closed["chunk_count"] == len(pieces)
    return service.pcm(client.session_id), service.manifest(client.session_id)["error"]


@pytest.mark.parametrize(("first", "second"), PAIRS)
async def test_two_files_are_recorded_however_they_are_cut(
    service: Service, first: str, second: str
) -> None:
    expected = (decoded(first) + decoded(second), None)
    for pieces in cuts(encoded(first), encoded(second)):
        assert await record(service, pieces) == expected


@pytest.mark.parametrize(
    "names",
    long_except_first([["ogg", "mp4", "flac"], ["wav", "webm", "wav"], ["webm", "wav", "ogg"]]),
)
async def test_files_in_one_chunk_survive_a_kill(
    start_service: Callable[..., Service], names: list[str]
) -> None:
    """The chunk ends in the middle of the last file, and the rest comes after the restart."""
    service = start_service()
    data = b"".join(map(encoded, names))
    place = len(data) - len(encoded(names[-1])) // 2
    async with service.session(sample_rate=RATE) as client:
        await client.send(data[:place])
        service.kill()
    service.start()
    async with service.connect(f"/{client.session_id}", resume="true") as again:
        await again.receive()
        await again.send(data[place:])
        await again.close_session()
    assert service.pcm(client.session_id) == b"".join(map(decoded, names))


async def test_a_kill_within_the_header_of_a_riff_chunk_counts_no_byte_twice(
    start_service: Callable[..., Service],
) -> None:
    """The chunk is of a file that began within a message; the pieces come one by one."""
    first, second, third = (pcm(100, seed=seed) for seed in range(3))
    name = b"LIST\4\0\0\0name"
    further = b"data" + len(third).to_bytes(4, "little") + third
    files = wav(first, sample_rate=RATE) + wav(second, sample_rate=RATE)
    data = files + name + further
    marks = [200, len(files) + 3, len(files) + 5, len(files) + 9, len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise([0, *marks])]
    service = start_service()
    async with service.session(sample_rate=RATE) as client:
        for piece in pieces[:2]:
            await client.send(piece)
        service.kill()
    path = f"/{client.session_id}"
    for piece in pieces[2:]:
        service.start()
        async with service.session(path, resume="true") as again:
            await again.send(piece)
            if piece is pieces[-1]:
                await again.close_session()
            service.kill()
    assert service.pcm(client.session_id) == first + second + third
    (received,) = service.manifest(client.session_id)["receipt"]["inputs"]
    digest = hashlib.sha256(hashlib.sha256(data).digest()).hexdigest()
    assert (received["bytes"], received["digest"]) == (len(data), digest)


async def test_a_wav_inside_raw_pcm_is_pcm_unless_a_chunk_begins_with_it(service: Service) -> None:
    """PCM may contain any bytes, so only twelve fixed ones at the start of a chunk count."""
    file = wav(pcm(100, seed=1), sample_rate=RATE)
    whole = pcm(1000) + file + pcm(10, seed=2)
    for pieces in ([whole], [whole[:2001], whole[2001:]], [whole[:2002], whole[2002:]]):
        assert (await record(service, pieces))[0] == whole
    assert (await record(service, [pcm(1000), file]))[0] == pcm(1000) + file[44:]


async def test_a_chunk_of_many_files_is_bounded(service: Service) -> None:
    async with asyncio.timeout(60):
        async with service.session(sample_rate=RATE) as client:
            answer = await client.send(wav(pcm(2), sample_rate=RATE) * 1000)
            assert answer["code"] == "decode_failed"
            await client.close_session()
