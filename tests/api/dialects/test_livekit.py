"""LiveKit track egress: PCM of 48,000 Hz, stereo."""

from api.dialects.events import Mark
from api.dialects.livekit import LiveKit
from tests.api.dialects.hearing import hear
from tests.audio import pcm
from tests.platforms import cut


def test_every_sample_is_recorded_as_48_kHz_stereo() -> None:  # noqa: N802 - a unit
    audio = pcm(48000, channels=2)
    heard = hear(LiveKit({}), cut(audio, 3840))
    assert heard.pcm == audio
    assert (heard.begin.sample_rate, heard.begin.channels) == (48000, 2)


def test_what_says_that_a_track_is_muted_is_no_audio() -> None:
    audio = pcm(4800, channels=2)
    heard = hear(LiveKit({}), ['{"muted":false}', audio, '{"muted":true}'])
    assert (heard.pcm, heard.events[1:]) == (audio, [Mark("muted")])


def test_the_query_names_the_call() -> None:
    begin = hear(LiveKit({"call_id": "room-1", "participant": "jane"}), [pcm(4)]).begin
    assert (begin.call_id, begin.parameters) == ("room-1", {"participant": "jane"})
