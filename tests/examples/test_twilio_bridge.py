"""The bridge records what a caller sends who speaks as Twilio's documentation says."""

import asyncio
import base64
import contextlib
import json
import random
import re
import signal
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from api.access.api_keys import key_line, new_key
from tests.examples.program import Program, run_example
from tests.service import Service

MESSAGE_BYTES = 160  # 20 ms

# Twilio's own example: what is signed, the token, the signature.
SIGNED = (
    "https://mycompany.com/myapp.php?foo=1&bar=2"
    "CallSidCA1234567890ABCDECaller+14158675309Digits1234From+14158675309To+18005551212"
)
AUTH_TOKEN, SIGNATURE = "12345", "RSOYDt4T1cUTdK1PDd93/VVr8B8="


def random_mulaw(seconds: float, seed: int) -> bytes:
    return random.Random(seed).randbytes(int(seconds * 8000))


def decode_mulaw(mulaw: bytes) -> bytes:
    """The 16-bit samples of G.711."""
    codes = ~np.frombuffer(mulaw, np.uint8) & 0xFF
    magnitude = (((codes & 0x0F).astype(int) << 3) + 0x84) << ((codes & 0x70) >> 4)
    return np.where(codes & 0x80, 0x84 - magnitude, magnitude - 0x84).astype("<i2").tobytes()


def interleave(left: bytes, right: bytes) -> bytes:
    assert len(left) == len(right)
    return np.stack([np.frombuffer(side, np.uint8) for side in (left, right)], axis=1).tobytes()


class Caller:
    """Twilio's side of a stream. Numbers are strings, as there."""

    def __init__(self, socket: ClientConnection, number: int) -> None:
        self.socket = socket
        self.call_sid = f"CA{number:032x}"
        self._stream_sid = f"MZ{number:032x}"
        self._sequence = 0
        self._chunks: dict[str, int] = {}

    async def start(self, *tracks: str) -> None:
        await self.socket.send(
            json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        )
        start = {
            "accountSid": f"AC{0:032x}",
            "streamSid": self._stream_sid,
            "callSid": self.call_sid,
            "tracks": tracks,
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"FirstName": "Jane", "RemoteParty": "Bob"},
        }
        await self.send_event("start", start)

    async def media(self, track: str, timestamp_ms: int, payload: bytes) -> None:
        self._chunks[track] = self._chunks.get(track, 0) + 1
        media = {
            "track": track,
            "chunk": str(self._chunks[track]),
            "timestamp": str(timestamp_ms),
            "payload": base64.b64encode(payload).decode(),
        }
        await self.send_event("media", media)

    async def send_event(self, event: str, about: dict[str, Any]) -> None:
        self._sequence += 1
        message = {
            "event": event,
            "sequenceNumber": str(self._sequence),
            event: about,
            "streamSid": self._stream_sid,
        }
        await self.socket.send(json.dumps(message))

    async def send_media(self, *messages: tuple[str, int, bytes]) -> None:
        for message in messages:
            await self.media(*message)

    async def stop(self) -> None:
        await self.send_event("stop", {"accountSid": f"AC{0:032x}", "callSid": self.call_sid})
        await self.socket.close()


def media_messages(track: str, audio: bytes, begin_ms: int = 0) -> list[tuple[str, int, bytes]]:
    places = range(0, len(audio), MESSAGE_BYTES)
    return [(track, begin_ms + at // 8, audio[at : at + MESSAGE_BYTES]) for at in places]


def merge_by_time(*tracks: Iterable[tuple[str, int, bytes]]) -> list[tuple[str, int, bytes]]:
    return sorted((one for track in tracks for one in track), key=lambda message: message[1])


class Bridge:
    def __init__(self, program: Program, service: Service, url: str) -> None:
        self.program = program
        self.url = url
        self._service = service

    @contextlib.asynccontextmanager
    async def call(self, number: int = 1) -> AsyncIterator[Caller]:
        async with connect(self.url) as socket:
            yield Caller(socket, number)

    async def wait_for_recording(self, caller: Caller) -> tuple[bytes, dict[str, Any]]:
        """Return the recording and its manifest when the call is over."""
        await self.program.wait_for_line(f"{caller.call_sid} is over")
        return self.recording(await self.wait_for_session_id(caller))

    async def wait_for_session_id(self, caller: Caller) -> str:
        line = await self.program.wait_for_line(f"{caller.call_sid} is recorded")
        found = re.search(r"sessions/(.+)/audio", line)
        assert found is not None
        return found[1]

    def recording(self, session_id: str) -> tuple[bytes, dict[str, Any]]:
        return self._service.pcm(session_id), self._service.manifest(session_id)


@contextlib.asynccontextmanager
async def run_bridge(service: Service, *options: str) -> AsyncIterator[Bridge]:
    arguments = ("--url", service.url, "--port", "0", *options)
    async with run_example("twilio_bridge.py", *arguments) as program:
        url = (await program.wait_for_line("waiting for calls at")).split()[-1]
        yield Bridge(program, service, url)


@pytest.fixture
async def bridge(service: Service) -> AsyncIterator[Bridge]:
    async with run_bridge(service) as bridge:
        yield bridge
        assert bridge.program.error_lines == []


async def test_every_sample_of_a_call_is_recorded(bridge: Bridge) -> None:
    audio = random_mulaw(3, seed=1)
    async with bridge.call() as caller:
        await caller.start("inbound")
        await caller.send_media(*media_messages("inbound", audio[:16000]))
        await caller.send_event("dtmf", {"track": "inbound_track", "digit": "1"})
        await caller.send_event("mark", {"name": "my label"})
        await caller.send_media(*media_messages("inbound", audio[16000:], begin_ms=2000))
        await caller.stop()
    recorded, manifest = await bridge.wait_for_recording(caller)
    assert recorded == decode_mulaw(audio)
    assert (manifest["sample_rate"], manifest["channels"]) == (8000, 1)
    assert (manifest["status"], manifest["error"]) == ("completed", None)


async def test_both_tracks_are_left_and_right_at_the_time_they_were_heard(bridge: Bridge) -> None:
    inbound, outbound = random_mulaw(3, seed=2), random_mulaw(1, seed=3)
    async with bridge.call() as caller:
        await caller.start("inbound", "outbound")
        sent = merge_by_time(
            media_messages("inbound", inbound), media_messages("outbound", outbound, begin_ms=1500)
        )
        await caller.send_media(*sent)
        await caller.stop()
    recorded, manifest = await bridge.wait_for_recording(caller)
    right = b"\xff" * 12000 + outbound + b"\xff" * 4000
    assert recorded == decode_mulaw(interleave(inbound, right))
    assert manifest["channels"] == 2


async def test_lost_messages_are_silence_and_late_ones_find_their_place(bridge: Bridge) -> None:
    audio = random_mulaw(4, seed=4)
    sent = media_messages("inbound", audio)
    late, lost = sent.pop(150), sent[40:43]
    sent.insert(165, late)
    sent[20], sent[21] = sent[21], sent[20]
    async with bridge.call() as caller:
        await caller.start("inbound")
        await caller.send_media(*(one for one in sent if one not in lost))
        await caller.stop()
    recorded, _ = await bridge.wait_for_recording(caller)
    heard = audio[: 40 * 160] + b"\xff" * (3 * 160) + audio[43 * 160 :]
    assert recorded == decode_mulaw(heard)


async def test_a_message_that_comes_too_late_moves_nothing(bridge: Bridge) -> None:
    audio = random_mulaw(3, seed=5)
    sent = media_messages("inbound", audio)
    async with bridge.call() as caller:
        await caller.start("inbound")
        await caller.send_media(*sent[:10], *sent[11:], sent[10])
        await caller.stop()
    recorded, _ = await bridge.wait_for_recording(caller)
    assert recorded == decode_mulaw(audio[:1600] + b"\xff" * 160 + audio[1760:])


async def test_timestamps_that_tremble_leave_no_clicks(bridge: Bridge) -> None:
    audio = random_mulaw(2, seed=6)
    tremble = random.Random(6)
    sent = [
        (track, at + tremble.randint(0, 9), part)
        for track, at, part in media_messages("inbound", audio)
    ]
    async with bridge.call() as caller:
        await caller.start("inbound")
        await caller.send_media(*sent)
        await caller.stop()
    recorded, _ = await bridge.wait_for_recording(caller)
    assert recorded == decode_mulaw(audio)


async def test_a_call_that_is_cut_off_is_complete_with_all_that_came(bridge: Bridge) -> None:
    audio = random_mulaw(2, seed=7)
    async with bridge.call() as caller:
        await caller.start("inbound")
        await caller.send_media(*media_messages("inbound", audio))
        await (await caller.socket.ping())  # the answer comes behind all that was sent
        caller.socket.transport.abort()
        recorded, manifest = await bridge.wait_for_recording(caller)
    assert recorded == decode_mulaw(audio)
    assert manifest["status"] == "completed"


async def test_calls_at_the_same_time_are_sessions_of_their_own(bridge: Bridge) -> None:
    async def call(number: int) -> tuple[bytes, bytes]:
        audio = random_mulaw(2 + number / 10, seed=number)
        async with bridge.call(number) as caller:
            await caller.start("inbound")
            await caller.send_media(*media_messages("inbound", audio))
            await caller.stop()
        return decode_mulaw(audio), (await bridge.wait_for_recording(caller))[0]

    for said, recorded in await asyncio.gather(*map(call, range(5))):
        assert recorded == said


async def test_a_call_goes_on_over_the_death_of_the_service(
    start_service: Callable[..., Service],
) -> None:
    service, audio = start_service(), random_mulaw(4, seed=8)
    sent = media_messages("inbound", audio)
    async with run_bridge(service) as bridge, bridge.call() as caller:
        await caller.start("inbound")
        await caller.send_media(*sent[:100])
        await bridge.wait_for_session_id(caller)
        service.kill()
        await caller.send_media(*sent[100:])
        await asyncio.to_thread(service.start)
        await caller.stop()
        assert (await bridge.wait_for_recording(caller))[0] == decode_mulaw(audio)


async def test_a_bridge_that_is_stopped_completes_its_calls(service: Service) -> None:
    audio = random_mulaw(1, seed=9)
    async with run_bridge(service) as bridge, bridge.call() as caller:
        await caller.start("inbound")
        await caller.send_media(*media_messages("inbound", audio))
        await (await caller.socket.ping())
        bridge.program.process.send_signal(signal.SIGTERM)
        assert await bridge.program.wait() == 0
        recorded, manifest = bridge.recording(await bridge.wait_for_session_id(caller))
    assert recorded == decode_mulaw(audio)
    assert manifest["status"] == "completed"


@pytest.mark.parametrize("wrong", ["nonsense", '{"event": "start", "start": {"callSid": "CA1"}}'])
async def test_what_is_no_media_stream_is_told_so(bridge: Bridge, wrong: str) -> None:
    async with connect(bridge.url) as socket:
        await socket.send(wrong)
        await socket.wait_closed()
        assert socket.close_code == 1008


async def test_a_timestamp_out_of_all_bounds_ends_the_recording_before_it(bridge: Bridge) -> None:
    audio = random_mulaw(1, seed=10)
    async with bridge.call() as caller:
        await caller.start("inbound")
        await caller.send_media(*media_messages("inbound", audio), ("inbound", 10**12, audio))
        await caller.socket.wait_closed()
        assert caller.socket.close_code == 1008
    assert (await bridge.wait_for_recording(caller))[0] == decode_mulaw(audio)


async def test_only_who_signs_as_twilio_does_gets_in(service: Service) -> None:
    options = ("--public-url", SIGNED, "--auth-token", AUTH_TOKEN)
    async with run_bridge(service, *options) as bridge:
        for headers in ({}, {"X-Twilio-Signature": SIGNATURE.lower()}):
            with pytest.raises(InvalidStatus) as refused:
                await connect(bridge.url, additional_headers=headers)
            assert refused.value.response.status_code == 403
        async with connect(bridge.url, additional_headers={"X-Twilio-Signature": SIGNATURE}):
            pass


async def test_a_key_that_is_missing_is_told_and_one_that_is_given_records(
    start_service: Callable[..., Service],
) -> None:
    key, audio = new_key(), random_mulaw(1, seed=11)
    line = key_line(key, "bridge", ["record"])
    service = start_service(auth_mode="api_key", api_keys=line)
    async with run_bridge(service) as bridge, bridge.call() as caller:
        await caller.start("inbound")
        assert "not recorded" in await bridge.program.wait_for_line("not recorded")
        await caller.socket.wait_closed()
        assert caller.socket.close_code == 1011
    async with run_bridge(service, "--key", key) as bridge, bridge.call() as caller:
        await caller.start("inbound")
        await caller.send_media(*media_messages("inbound", audio))
        await caller.stop()
        assert (await bridge.wait_for_recording(caller))[0] == decode_mulaw(audio)
