"""Audio is where the platform says, whatever order it arrives in and whatever it claims."""

import random

import numpy as np
import pytest

from api.dialects.events import Audio
from api.dialects.tracks import Notice, Tracks
from tests.audio import pcm
from tests.platforms import cut, interleave

SECOND = 8000


def new_tracks(*names: str, max_gap_seconds: float = 300.0, **options: int) -> Tracks:
    names = names or ("call",)
    return Tracks(names, width=1, sample_rate=SECOND, max_gap_seconds=max_gap_seconds, **options)


def messages(audio: bytes, *, track: int = 0, begin: int = 0) -> list[Audio]:
    return [
        Audio(part, track, begin + 160 * number, number)
        for number, part in enumerate(cut(audio, 320))
    ]


def merged(tracks: Tracks, sent: list[Audio], *, elapsed_seconds: float = 0) -> bytes:
    found = [
        block for audio in sent for block in tracks.add(audio, elapsed_seconds=elapsed_seconds)
    ]
    return b"".join([*found, *tracks.flush()])


def test_audio_in_order_is_not_held() -> None:
    tracks, audio = new_tracks(), pcm(SECOND)
    found = [block for each in messages(audio) for block in tracks.add(each, elapsed_seconds=0)]
    assert b"".join(found) == audio


def test_audio_out_of_order_is_in_order() -> None:
    audio, generator = pcm(4 * SECOND), random.Random(1)
    places = sorted(range(200), key=lambda at: at + generator.random() * 20)
    tracks, sent = new_tracks(), messages(audio)
    assert merged(tracks, [sent[at] for at in places]) == audio
    assert tracks.take_notices() == []


def test_two_tracks_are_aligned_by_their_time() -> None:
    left, right = pcm(2 * SECOND), pcm(SECOND, seed=1)
    sent = messages(left) + messages(right, track=1, begin=4000)
    sent.sort(key=lambda each: each.frame or 0)
    expected = interleave(left, bytes(8000) + right + bytes(8000))
    assert merged(new_tracks("inbound", "outbound"), sent) == expected


def test_a_gap_is_silence_and_is_told() -> None:
    audio, tracks = pcm(SECOND), new_tracks()
    sent = messages(audio)
    del sent[10:13]
    expected = audio[:3200] + bytes(960) + audio[4160:]
    assert merged(tracks, sent) == expected
    (notice,) = tracks.take_notices()
    assert (notice.code, "0.06 s" in notice.text) == ("call_gap", True)


def test_a_track_that_a_platform_leaves_out_beside_another_one_is_no_loss() -> None:
    left, right = pcm(SECOND), pcm(SECOND, seed=1)
    quiet = [each for each in messages(right, track=1) if not 10 <= (each.number or 0) < 20]
    quiet = [Audio(each.data, 1, each.frame, number) for number, each in enumerate(quiet)]
    tracks = new_tracks("inbound", "outbound")
    sent = sorted(messages(left) + quiet, key=lambda each: each.frame or 0)
    expected = right[:3200] + bytes(3200) + right[6400:]
    assert merged(tracks, sent) == interleave(left, expected)
    assert tracks.take_notices() == []


def test_what_comes_too_late_moves_nothing_and_is_told() -> None:
    audio, tracks = pcm(2 * SECOND), new_tracks()
    sent = messages(audio)
    late = sent.pop(10)
    assert merged(tracks, [*sent, late]) == audio[:3200] + bytes(320) + audio[3520:]
    assert [each.code for each in tracks.take_notices()] == ["call_gap", "call_audio_late"]


def test_timestamps_that_tremble_leave_no_clicks() -> None:
    audio, generator = pcm(2 * SECOND), random.Random(6)
    sent = [
        Audio(each.data, 0, (each.frame or 0) + 8 * generator.randint(0, 9), each.number)
        for each in messages(audio)
    ]
    assert merged(new_tracks(), sent) == audio


@pytest.mark.parametrize("days", [1, 1000])
def test_a_jump_forward_is_a_gap_of_the_maximum_length(days: int) -> None:
    audio, tracks = pcm(SECOND), new_tracks(max_gap_seconds=2)
    sent = messages(audio[:8000]) + messages(audio[8000:], begin=days * 86400 * SECOND)
    assert merged(tracks, sent) == audio[:8000] + bytes(32000) + audio[8000:]
    assert "call_time_jumped" in {each.code for each in tracks.take_notices()}


def test_a_jump_back_loses_no_audio() -> None:
    audio, tracks = pcm(SECOND), new_tracks()
    sent = messages(audio[:8000], begin=20 * SECOND) + messages(audio[8000:])
    assert merged(tracks, sent) == audio
    assert [each.code for each in tracks.take_notices()] == ["call_time_jumped"]


def test_both_tracks_stay_aligned_over_a_jump() -> None:
    left, right = pcm(SECOND), pcm(SECOND, seed=1)
    sent = [
        Audio(each.data, each.track, each.frame + (10**9 if each.frame >= 4000 else 0), each.number)
        for each in messages(left) + messages(right, track=1)
        if each.frame is not None
    ]
    sent.sort(key=lambda each: each.frame or 0)
    found = merged(new_tracks("inbound", "outbound", max_gap_seconds=1), sent)
    stereo = interleave(left, right)
    assert found == stereo[:16000] + bytes(4 * SECOND) + stereo[16000:]


def test_time_that_jumps_to_and_fro_is_no_endless_silence() -> None:
    tracks, generator = new_tracks("inbound", "outbound", max_gap_seconds=10), random.Random(1)
    frames = 0
    for number in range(2000):
        frame = generator.choice((0, number * 160, generator.randrange(10**15)))
        audio = Audio(bytes(320), generator.randrange(2), frame, number)
        frames += sum(len(block) for block in tracks.add(audio, elapsed_seconds=0)) // 4
    assert frames < 2000 * 160 + 100 * SECOND + SECOND
    assert len(tracks.take_notices()) <= 15
    assert tracks.summary() != []


def test_what_waits_is_bounded() -> None:
    tracks = new_tracks()
    frames = 0
    for number in range(3000):
        audio = Audio(b"ab", 0, 1000 + 2 * (number % 900), None)
        frames += sum(len(block) for block in tracks.add(audio, elapsed_seconds=0)) // 2
    assert max(len(each.pending) for each in tracks._tracks) <= 257
    assert frames > 0


def test_silence_is_made_in_small_blocks() -> None:
    tracks = new_tracks()
    blocks = list(tracks.add(Audio(bytes(320), 0, 299 * SECOND), elapsed_seconds=0))
    assert blocks == []  # a first timestamp that is not near zero is the beginning
    sent = Audio(bytes(320), 0, 598 * SECOND)
    blocks = [*tracks.add(sent, elapsed_seconds=0), *tracks.flush()]
    assert sum(map(len, blocks)) == 2 * (299 * SECOND + 160)
    assert max(map(len, blocks)) < 128 * 1024


def test_a_gap_that_the_platform_reports_is_silence() -> None:
    audio, tracks = pcm(SECOND), new_tracks()
    found = b"".join(tracks.add(Audio(audio), elapsed_seconds=0))
    found += b"".join(tracks.skip(800, "paused", elapsed_seconds=0))
    found += b"".join(tracks.add(Audio(audio), elapsed_seconds=0)) + b"".join(tracks.flush())
    assert found == audio + bytes(1600) + audio
    (notice,) = tracks.take_notices()
    assert notice == Notice("call_gap", "0.10 s of silence: audio was paused")


@pytest.mark.parametrize(("first", "silence"), [(3 * SECOND, SECOND), (0, 0), (SECOND, 0)])
def test_a_connection_that_continues_a_call_goes_on_at_its_time(first: int, silence: int) -> None:
    audio = pcm(SECOND)
    tracks = new_tracks(continued_at=2 * SECOND)
    assert merged(tracks, messages(audio, begin=first)) == bytes(2 * silence) + audio


def test_interleaved_channels_stay_together() -> None:
    audio = pcm(SECOND, channels=2)
    tracks = Tracks(("call",), width=2, sample_rate=SECOND, max_gap_seconds=300)
    found = [
        block for part in cut(audio, 640) for block in tracks.add(Audio(part), elapsed_seconds=0)
    ]
    assert b"".join([*found, *tracks.flush()]) == audio
    assert np.frombuffer(audio, "<i2").size == 2 * SECOND
