"""P1, exact: audio cut anywhere, over any number of connections, is recorded bit by bit."""

import asyncio
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.audio import cut_anywhere, decode, encode, pcm, speech, wav
from tests.service import Client, Service

SAMPLED = settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


async def record(
    service: Service, pieces: list[bytes], *, seed: int, drops: int, **query: object
) -> bytes:
    """Record ``pieces`` over ``drops`` + 1 connections, some without a closing handshake."""
    generator = random.Random(seed)
    path = ""
    for end in sorted(generator.randint(0, len(pieces)) for _ in range(drops)):
        async with service.session(path, **query) as client:
            await send(client, pieces[:end])
            if generator.random() < 0.5:
                client.drop()
        path, query = f"/{client.session_id}", {"resume": "true"}
    async with service.session(path, **query) as client:
        await send(client, pieces)
        await client.close_session()
    return service.pcm(client.session_id)


async def send(client: Client, pieces: list[bytes]) -> None:
    """Send the ``pieces`` that the server does not have yet."""
    for piece in pieces[client.greeting["chunk_count"] :]:
        await client.send(piece)


@SAMPLED
@given(
    data=st.binary(max_size=40_000),
    channels=st.sampled_from([1, 2]),
    seed=st.integers(0, 2**32),
    drops=st.integers(0, 4),
)
def test_raw_pcm_is_recorded_byte_by_byte(
    service: Service, data: bytes, channels: int, seed: int, drops: int
) -> None:
    data = b"\x01" + data  # so that it is not detected as a file
    pieces = list(cut_anywhere(data, seed=seed))
    found = asyncio.run(record(service, pieces, seed=seed, drops=drops, channels=channels))
    assert found == data[: len(data) - len(data) % (2 * channels)]


@SAMPLED
@given(
    frames=st.integers(0, 20_000),
    claimed=st.sampled_from([None, 0, 0xFFFFFFFF]),
    seed=st.integers(0, 2**32),
    drops=st.integers(0, 4),
)
def test_a_wav_is_recorded_sample_by_sample(
    service: Service, frames: int, claimed: int | None, seed: int, drops: int
) -> None:
    data = wav(pcm(frames, seed=seed), data_bytes=claimed)
    pieces = list(cut_anywhere(data, seed=seed))
    assert asyncio.run(record(service, pieces, seed=seed, drops=drops)) == data[44:]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "options",
    [
        ("-c:a", "pcm_s24le", "-f", "wav"),
        ("-c:a", "pcm_u8", "-f", "wav"),
        ("-c:a", "pcm_f32le", "-ar", "48000", "-ac", "2", "-f", "wav"),
        ("-c:a", "pcm_alaw", "-ar", "8000", "-f", "wav"),
        ("-c:a", "g722", "-ar", "16000", "-f", "wav"),
    ],
    ids=lambda options: options[1],
)
async def test_a_decoded_recording_equals_one_decode_of_the_whole_input(
    service: Service, options: tuple[str, ...], seed: int
) -> None:
    data = encode(speech(), *options)
    pieces = list(cut_anywhere(data, seed=seed))
    found = await record(service, pieces, seed=seed, drops=3, sample_rate=16000, channels=2)
    assert found == decode(data, sample_rate=16000, channels=2)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sample_rate", [8000, 16000])
async def test_raw_g722_equals_one_decode_of_the_whole_input(
    service: Service, sample_rate: int, seed: int
) -> None:
    data = encode(speech(), "-ar", "16000", "-f", "g722")
    pieces = list(cut_anywhere(data, seed=seed, largest=500))
    query = {"sample_rate": sample_rate, "format": "g722"}
    found = await record(service, pieces, seed=seed, drops=3, **query)
    assert found == decode(data, sample_rate=sample_rate, input_options=("-f", "g722"))


async def test_raw_g722_behind_a_pause_is_decoded_as_a_stream_of_its_own(
    service: Service,
) -> None:
    data = encode(speech(), "-ar", "16000", "-f", "g722")
    async with service.session(sample_rate=16000, format="g722") as client:
        await client.send(data[:4001])
        await client.control("pause")
        await client.send(data[4001:6000])
        await client.control("resume")
        await client.send(data[6000:10001])
        await client.close_session()
    first, second = (
        decode(part, sample_rate=16000, input_options=("-f", "g722"))
        for part in (data[:4001], data[6000:10001])
    )
    assert service.pcm(client.session_id) == first + second


async def test_a_declared_raw_encoding_equals_the_output_of_ffmpeg(service: Service) -> None:
    for name, codec, demuxer in (
        ("pcm_f32le", "pcm_f32le", "f32le"),
        ("mulaw", "pcm_mulaw", "mulaw"),
        ("alaw", "pcm_alaw", "alaw"),
    ):
        data = encode(speech(), "-ar", "16000", "-c:a", codec, "-f", demuxer)
        pieces = list(cut_anywhere(data, seed=1))
        query = {"sample_rate": 16000, "format": name}
        found = await record(service, pieces, seed=1, drops=1, **query)
        options = ("-f", demuxer, "-ar", "16000", "-ac", "1")
        assert found == decode(data, sample_rate=16000, input_options=options)
