"""Pauses, marks and the timeline, over HTTP and as controls."""

import asyncio
import hashlib
import json
import re
import struct
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.audio import decode, encode, pcm, speech, wav
from tests.service import Client, Message, Service, children_of

SESSIONS = "/api/audio/sessions"
CARD = b"0123456789abcdef" * 64  # what is spoken during a pause, as PCM


def timeline(service: Service, session_id: str) -> Any:
    answer = service.get(f"{SESSIONS}/{session_id}/timeline")
    assert answer.status_code == 200, answer.text
    return answer.json()


def time_of(text: str) -> datetime:
    """Texts have no order: that of a whole second has no fraction."""
    return datetime.fromisoformat(text)


async def mark(client: Client, label: Any) -> Message:
    message = {"type": "control", "action": "mark", "label": label}
    await client.socket.send(json.dumps(message))
    return await client.receive()


def kept(folder: Path, secret: bytes) -> list[Path]:
    """Return the files that hold the secret."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if secret in path.read_bytes()]


@pytest.mark.parametrize("over_http", [False, True], ids=["control", "http"])
async def test_chunks_of_a_pause_count_and_nothing_of_them_is_kept(
    service: Service, over_http: bool
) -> None:
    before, after = pcm(1000, seed=1), pcm(1000, seed=2)
    async with service.session(sample_rate=8000) as client:
        await client.send(before)

        async def change(action: str) -> Message:
            if over_http:
                answer = service.post(f"{SESSIONS}/{client.session_id}/{action}")
                assert answer.status_code == 200
                return dict(answer.json())
            return await client.control(action)

        paused = await change("pause")
        assert over_http or paused["message"] == "Recording paused"
        assert service.get(f"{SESSIONS}/{client.session_id}").json()["paused"]
        ack = await client.send(CARD)
        assert (ack["chunk_count"], ack["duration_seconds"], ack["paused"]) == (2, 0.125, True)
        assert not kept(service.folder, CARD[:64])
        await change("resume")
        assert "paused" not in await client.send(after)
        final = await client.close_session()
    assert final["chunk_count"] == 3
    assert service.pcm(client.session_id) == before + after
    assert not kept(service.folder, CARD[:64])
    (pause,) = timeline(service, client.session_id)["pauses"]
    assert (pause["frame"], pause["first_chunk"]) == (1000, 1)
    assert (pause["chunks"], pause["bytes"]) == (1, len(CARD))
    assert time_of(pause["ended_at"]) > time_of(pause["began_at"])
    receipt = service.manifest(client.session_id)["receipt"]
    assert receipt["inputs"] == [receipt["audio"]]


async def test_a_pause_survives_kill_and_reconnect(
    start_service: Callable[..., Service],
) -> None:
    service = start_service()
    before, after = pcm(1001, seed=1), pcm(1000, seed=2)
    async with service.session(sample_rate=8000) as client:
        await client.send(before)
        await client.control("pause")
        await client.send(CARD + b"x")  # the first half of a frame
        service.kill()
    service.start()
    assert service.get(f"{SESSIONS}/{client.session_id}").json()["paused"]
    async with service.session(f"/{client.session_id}", resume="true") as again:
        assert again.greeting["paused"] is True
        assert again.greeting["chunk_count"] == 2
        await again.send(b"y" + CARD)
        await again.control("resume")
        await again.send(after)
        await again.close_session()
    assert service.pcm(client.session_id) == before + after
    found = timeline(service, client.session_id)
    assert len(found["connections"]) == 2
    assert [each["chunks"] for each in found["connections"]] == [2, 2]
    (pause,) = found["pauses"]
    assert (pause["chunks"], pause["bytes"]) == (2, 2 * len(CARD) + 2)
    assert not kept(service.folder, CARD[:64])


async def test_a_wav_goes_on_behind_a_pause(service: Service) -> None:
    audio = wav(pcm(3000), sample_rate=8000)
    async with service.session(sample_rate=8000) as client:
        await client.send(audio[:1044])
        await client.control("pause")
        await client.send(audio[1044:2045])
        await client.control("resume")
        await client.send(audio[2045:])
        final = await client.close_session()
    assert "warnings" not in final
    expected = pcm(3000)
    assert (
        service.pcm(client.session_id)[: 1000 + 2] == expected[:1000] + b"\0" + expected[2001:2002]
    )
    assert service.pcm(client.session_id)[1002:] == expected[2002:]


@pytest.mark.parametrize(
    ("source", "loss_seconds"),
    [
        ("chromium-20ms.webm", 0.2),
        ("firefox-250ms.ogg", 1.4),
        ("chromium-250ms.mp4", 1.2),
        ("mp3", 0.3),
        ("adts", 0.3),
        ("flac", 1.2),
    ],
)
async def test_an_encoded_stream_goes_on_behind_a_pause(
    service: Service, source: str, loss_seconds: float
) -> None:
    browsers = Path(__file__).parents[2] / "data" / "browsers"
    data = (browsers / source).read_bytes() if "." in source else encode(speech(), "-f", source)
    begin, end = len(data) // 3, len(data) * 2 // 3
    async with service.session(sample_rate=48000) as client:
        for part in (data[:begin], None, data[begin:end], None, data[end:]):
            if part is None:
                paused = service.get(f"{SESSIONS}/{client.session_id}").json()["paused"]
                await client.control("resume" if paused else "pause")
                continue
            for start in range(0, len(part), 4096):
                answer = await client.send(part[start : start + 4096])
                assert answer["type"] == "chunk", answer
        assert not kept(service.folder, data[begin + 2048 : begin + 2112])
        final = await client.close_session()
    assert "warnings" not in final, final["warnings"]
    whole = len(decode(data, sample_rate=48000)) / 96_000
    recorded = final["duration_seconds"]
    (pause,) = timeline(service, client.session_id)["pauses"]
    assert pause["bytes"] == end - begin
    assert whole * 2 / 3 - loss_seconds < recorded < whole * 2 / 3 + loss_seconds


@pytest.mark.parametrize("is_in_pause", [False, True], ids=["behind the pause", "in the pause"])
async def test_a_new_file_around_a_pause_is_recorded_without_a_warning(
    service: Service, is_in_pause: bool
) -> None:
    """As of a page that was reloaded in the pause; the new file has another number of channels."""
    first = encode(speech(), "-c:a", "libopus", "-f", "webm")
    second = encode(speech(), "-ac", "2", "-c:a", "libopus", "-f", "webm")
    start, rest = second[:4000], second[4000:]
    async with service.session(sample_rate=48000, channels=2) as client:
        await client.send(first[: len(first) // 2])
        await client.control("pause")
        if is_in_pause:
            await client.send(start)
        await client.control("resume")
        if not is_in_pause:
            await client.send(start)
        await client.send(rest)
        final = await client.close_session()
    assert "warnings" not in final, final["warnings"]
    recorded = decode(service.wav(client.session_id).read_bytes(), sample_rate=48000, channels=2)
    whole = decode(second, sample_rate=48000, channels=2)
    assert recorded.endswith(whole[-192_000:])


async def test_all_but_the_last_packet_of_ogg_in_front_of_a_pause_is_recorded(
    service: Service,
) -> None:
    """Firefox makes pages of 1.3 seconds."""
    data = (Path(__file__).parents[2] / "data" / "browsers" / "firefox-250ms.ogg").read_bytes()
    page, following = [found.start() for found in re.finditer(b"OggS", data)][2:4]
    sent = data[: page + (following - page) * 3 // 4]
    async with service.session(sample_rate=48000) as client:
        await client.send(sent)
        await client.control("pause")
        final = await client.close_session()
    assert "warnings" not in final, final["warnings"]
    assert final["duration_seconds"] > 0.8


def wav_of_24_bits(samples: list[int]) -> tuple[bytes, int]:
    """Return a mono WAV at 8 kHz of 16-bit samples, and the length of its header."""
    data = b"".join(struct.pack("<i", each << 16)[1:] for each in samples)
    form = struct.pack("<HHIIHH", 1, 1, 8000, 24000, 3, 24)
    header = b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + struct.pack("<I", 16)
    return header + form + b"data" + struct.pack("<I", len(data)) + data, 44


@pytest.mark.parametrize("source", ["wav of 24 bits", "pcm_f32le"])
@pytest.mark.parametrize("is_resumed", [False, True], ids=["paused", "resumed"])
async def test_samples_stay_whole_behind_a_pause_in_which_the_service_was_killed(
    start_service: Callable[..., Service], source: str, is_resumed: bool
) -> None:
    samples = [each * 37 % 20000 - 10000 for each in range(4000)]
    if source == "pcm_f32le":
        data = struct.pack("<4000f", *(each / 32768 for each in samples))
        parameters, header_bytes, sample_bytes = {"format": source}, 0, 4
    else:
        data, header_bytes = wav_of_24_bits(samples)
        parameters, sample_bytes = {}, 3
    begin, end = header_bytes + 1000, header_bytes + 2000 + 3  # both within a sample
    service = start_service()
    async with service.session(sample_rate=8000, **parameters) as client:
        await client.send(data[:begin])
        await client.control("pause")
        await client.send(data[begin:end])
        if is_resumed:
            await client.control("resume")
        service.kill()
    service.start()
    async with service.session(f"/{client.session_id}", resume="true") as again:
        if not is_resumed:
            await again.control("resume")
        await again.send(b"")
        await again.send(data[end : end + 1])
        await again.send(data[end + 1 :])
        final = await again.close_session()
    assert "warnings" not in final
    before = samples[: 1000 // sample_bytes]
    after = samples[-(-2003 // sample_bytes) :]
    assert service.pcm(client.session_id) == struct.pack(
        f"<{len(before) + len(after)}h", *before, *after
    )


async def test_a_pause_in_which_a_decoder_is_lost_loses_no_audio(service: Service) -> None:
    data = encode(speech(), "-f", "mp3")[:40_000]
    async with service.session(sample_rate=48000) as client:
        await client.send(data)
        (decoder,) = await children_of(psutil.Process(service.pid))
        decoder.kill()
        answer = service.post(f"{SESSIONS}/{client.session_id}/pause")
        assert (answer.status_code, answer.json()["paused"]) == (200, True)
    async with service.session(f"/{client.session_id}", resume="true") as again:
        assert again.greeting["paused"] is True
        final = await again.close_session()
    assert "warnings" not in final
    whole = decode(data, sample_rate=48000)
    assert service.pcm(client.session_id)[: len(whole) - 4800] == whole[:-4800]


async def test_marks_have_their_frame_and_at_most_1000_are_added(service: Service) -> None:
    async with service.session(sample_rate=8000) as client:
        await client.send(pcm(800))
        answer = await mark(client, "first")
        assert (answer["type"], answer["message"]) == ("control", "Mark added")
        await client.send(pcm(800))
        response = service.post(f"{SESSIONS}/{client.session_id}/marks", json={"label": "second"})
        assert response.status_code == 200
        for wrong in ("", "x" * 201, "two\nlines", 3):
            response = service.post(f"{SESSIONS}/{client.session_id}/marks", json={"label": wrong})
            assert response.status_code == 422
        assert (await mark(client, "two\nlines"))["code"] == "invalid_label"
        for number in range(998):
            await mark(client, f"{number}")
        assert (await mark(client, "one more"))["code"] == "too_many_marks"
        response = service.post(f"{SESSIONS}/{client.session_id}/marks", json={"label": "more"})
        assert (response.status_code, response.json()["code"]) == (409, "too_many_marks")
        await client.close_session()
    marks = timeline(service, client.session_id)["marks"]
    assert [(each["label"], each["frame"]) for each in marks[:2]] == [
        ("first", 800),
        ("second", 1600),
    ]
    assert len(marks) == 1000


async def test_open_connections_have_their_counts_so_far(service: Service) -> None:
    async with service.session(sample_rate=8000) as first:
        await first.send(pcm(100))
        async with service.session(f"/{first.session_id}") as second:
            await second.send(pcm(250))
            await second.send(pcm(250))
            found = timeline(service, first.session_id)["connections"]
            counts = [(each["frames"], each["chunks"], each["bytes"]) for each in found]
            assert counts == [(100, 1, 200), (500, 2, 1000)]
            assert {each["ended_at"] for each in found} == {None}


async def test_the_receipt_has_the_digest_of_the_timeline(service: Service) -> None:
    async with service.session(sample_rate=8000) as client:
        await client.send(pcm(800))
        await mark(client, "Zoë")
        await client.close_session()
    body = service.get(f"{SESSIONS}/{client.session_id}/timeline").content
    digest = service.manifest(client.session_id)["receipt"]["timeline_digest"]
    assert hashlib.sha256(body).hexdigest() == digest
    (connection,) = json.loads(body)["connections"]
    assert (connection["first_frame"], connection["frames"]) == (0, 800)
    assert (connection["chunks"], connection["bytes"]) == (1, 1600)
    answer = service.post(f"{SESSIONS}/{client.session_id}/pause")
    assert (answer.status_code, answer.json()["code"]) == (409, "session_completed")


async def test_gaps_and_connections_agree_with_the_log_of_the_client(
    start_service: Callable[..., Service],
) -> None:
    service = start_service()
    async with service.session(sample_rate=8000) as client:
        await client.send(pcm(800))
        async with service.session(f"/{client.session_id}") as other:
            await other.send(pcm(400, seed=1))
            await asyncio.sleep(0.8)  # nothing comes: that is what is tested
            await client.send(pcm(800))
            await client.send(pcm(800))  # is not late any more
        service.kill()
    service.start()
    await asyncio.sleep(0.8)  # a start alone may take less than what counts as a gap
    async with service.session(f"/{client.session_id}", resume="true") as again:
        await again.send(pcm(800))
        live = timeline(service, client.session_id)
        assert live["connections"][-1]["ended_at"] is None
        await again.close_session()
    found = timeline(service, client.session_id)
    assert found["is_complete"]
    first, second, third = found["connections"]
    assert (second["frames"], second["chunks"], second["bytes"]) == (400, 1, 800)
    assert (first["frames"], first["chunks"], first["bytes"]) == (None, None, None)
    assert (third["first_frame"], third["frames"], third["chunks"]) == (2800, 800, 1)
    times = first["began_at"], second["began_at"], first["ended_at"], third["began_at"]
    began, second_began, ended, third_began = map(time_of, times)
    assert began < second_began < ended < third_began
    gaps = {gap["frame"]: gap["seconds"] for gap in found["gaps"]}  # a busy machine adds some
    assert 0.5 < gaps[1200] < 60
    assert 0.5 < gaps[2800] < 60


async def test_a_pause_and_the_timeline_survive_the_loss_of_a_node(
    on_bucket: Callable[..., Service],
) -> None:
    one = on_bucket(segment_seconds=0.5, lease_seconds=2)
    async with one.session(sample_rate=8000) as client:
        await client.send(pcm(1000, seed=1))
        await mark(client, "before")
        await client.control("pause")
        one.kill()
    other = on_bucket(segment_seconds=0.5, lease_seconds=2)
    await other.live(1)  # the lease of the first node has expired
    async with other.session(f"/{client.session_id}", resume="true") as again:
        assert again.greeting["paused"] is True
        await again.send(CARD)
        await again.control("resume")
        await again.send(pcm(1000, seed=2))
        await again.close_session()
    found = timeline(other, client.session_id)
    assert [each["label"] for each in found["marks"]] == ["before"]
    assert [each["bytes"] for each in found["pauses"]] == [len(CARD)]
    assert len(found["connections"]) == 2
    assert all(each["node"] for each in found["connections"])
    audio = other.get(f"{SESSIONS}/{client.session_id}/audio").content
    assert audio[80:] == pcm(1000, seed=1) + pcm(1000, seed=2)
    body = other.get(f"{SESSIONS}/{client.session_id}/timeline").content
    receipt = other.get(f"{SESSIONS}/{client.session_id}").json()["receipt"]
    assert receipt["timeline_digest"] == hashlib.sha256(body).hexdigest()
