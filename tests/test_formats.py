"""P1 for every format: a live recording equals one ffmpeg decode of the whole input."""

import functools
import random
from collections.abc import Callable

import pytest

from tests.audio import cut_anywhere, decode, encode, speech
from tests.service import Client, Service

WEBM = ("-c:a", "libopus", "-f", "webm", "-live", "1")
FORMATS: dict[str, tuple[int, tuple[str, ...]]] = {
    "mp3 with tags and a gapless header": (
        22050, ("-c:a", "libmp3lame", "-b:a", "128k", "-metadata", "title=x", "-f", "mp3")
    ),
    "mp3 of variable rate": (22050, ("-c:a", "libmp3lame", "-q:a", "4", "-f", "mp3")),
    "mp3 frames alone": (
        22050,
        ("-c:a", "libmp3lame", "-write_xing", "0", "-id3v2_version", "0", "-f", "mp3"),
    ),
    "flac": (22050, ("-c:a", "flac", "-f", "flac")),
    "flac in ogg": (22050, ("-c:a", "flac", "-f", "ogg")),
    "aac in adts": (22050, ("-c:a", "aac", "-f", "adts")),
    "aac in fragmented mp4": (
        22050,
        ("-c:a", "aac", "-movflags", "frag_keyframe+empty_moov+default_base_moof",
         "-frag_duration", "1000000", "-f", "mp4"),
    ),
    "opus in ogg": (48000, ("-c:a", "libopus", "-f", "ogg")),
    "vorbis in ogg": (22050, ("-c:a", "libvorbis", "-f", "ogg")),
    "webm in small clusters": (48000, (*WEBM, "-cluster_time_limit", "100")),
    "webm of unknown sizes": (48000, WEBM),
    "wav of 24 bits": (22050, ("-c:a", "pcm_s24le", "-f", "wav")),
    "wav of floats": (22050, ("-c:a", "pcm_f32le", "-f", "wav")),
    "wav in mu-law": (22050, ("-c:a", "pcm_mulaw", "-f", "wav")),
}  # fmt: skip


@functools.cache
def encoded(name: str) -> bytes:
    data = encode(speech(), *FORMATS[name][1])
    assert len(data) > 10_000
    return data


async def send(client: Client, pieces: list[bytes]) -> None:
    """Send the ``pieces`` that the server does not have yet; check that each is acknowledged."""
    for piece in pieces[client.greeting["chunk_count"] :]:
        assert (await client.send(piece))["type"] == "chunk"


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("seed", [1, 2])
async def test_a_recording_equals_one_decode_however_the_input_is_cut(
    service: Service, name: str, seed: int
) -> None:
    native_rate = FORMATS[name][0]
    for sample_rate, channels in ((native_rate, 1), (16000, 2)):
        async with service.session(sample_rate=sample_rate, channels=channels) as client:
            await send(client, list(cut_anywhere(encoded(name), seed=seed, largest=3000)))
            await client.close_session()
        expected = decode(encoded(name), sample_rate=sample_rate, channels=channels)
        assert len(expected) > 200_000
        assert service.pcm(client.session_id) == expected


@pytest.mark.parametrize("name", FORMATS)
async def test_dropped_connections_do_not_change_the_recording(service: Service, name: str) -> None:
    generator, pieces = random.Random(name), list(cut_anywhere(encoded(name), seed=3, largest=2000))
    native_rate = FORMATS[name][0]
    path, query = "", {"sample_rate": str(native_rate)}
    for end in sorted(generator.randint(1, len(pieces)) for _ in range(3)):
        async with service.session(path, **query) as client:
            await send(client, pieces[:end])
            client.drop()
        path, query = f"/{client.session_id}", {"resume": "true"}
    async with service.session(path, **query) as client:
        await send(client, pieces)
        await client.close_session()
    assert service.pcm(client.session_id) == decode(encoded(name), sample_rate=native_rate)


async def test_files_of_any_format_in_one_chunk_each_are_joined(service: Service) -> None:
    names = [name for name in FORMATS if "aac in adts" not in name and not name.startswith("mp3")]
    async with service.session(sample_rate=22050) as client:
        for name in names:
            await client.send(encoded(name))
        await client.close_session()
    expected = b"".join(decode(encoded(name), sample_rate=22050) for name in names)
    assert service.pcm(client.session_id) == expected


@pytest.mark.long
async def test_crashes_do_not_change_the_recording_of_any_container(
    start_service: Callable[..., Service],
) -> None:
    service = start_service()
    names = ["mp3 of variable rate", "flac", "aac in adts", "webm of unknown sizes", "opus in ogg"]
    pieces = {name: list(cut_anywhere(encoded(name), seed=4, largest=2000)) for name in names}
    ids: dict[str, str] = {}
    for part in range(1, 4):
        for name in names:
            path = f"/{ids[name]}" if name in ids else ""
            query = {"resume": "true"} if name in ids else {"sample_rate": str(FORMATS[name][0])}
            async with service.session(path, **query) as client:
                ids[name] = client.session_id
                await send(client, pieces[name][: part * len(pieces[name]) // 3])
        if part < 3:
            service.kill()
            service.start()
    for name in names:
        service.post(f"/api/audio/sessions/{ids[name]}/close")
        expected = decode(encoded(name), sample_rate=FORMATS[name][0])
        assert service.pcm(ids[name]) == expected
