"""What could not be recorded is told: logged, counted, announced, and in the checkpoint."""

import pytest

from api.audio.formats import DecodeError
from api.observe.metrics import Metrics
from api.session.losses import Losses
from storage.checkpoint import Checkpoint
from storage.volume.recording import VolumeRecording
from tests.audio import pcm


def test_every_loss_is_logged_and_counted_and_the_first_of_its_code_is_announced(
    recording: VolumeRecording, caplog: pytest.LogCaptureFixture
) -> None:
    announced: list[str] = []
    metrics = Metrics()
    losses = Losses(recording, announce=announced.append, metrics=metrics)
    for code in ("damaged", "damaged", "no_audio"):
        lost = DecodeError("reason", code)
        losses.report(lost)
        recording.append(b"", losses.warned(recording.checkpoint, lost))
    assert announced == ["damaged", "no_audio"]
    assert metrics.warnings.labels("damaged")._value.get() == 2
    assert caplog.text.count("audio was not recorded") == 3
    assert recording.checkpoint.warning_count == 3


def test_a_warning_has_the_frame_at_which_it_was_noticed(recording: VolumeRecording) -> None:
    losses = Losses(recording, announce=lambda _: None, metrics=Metrics())
    recording.append(pcm(50), Checkpoint(1, 100))
    (warning,) = losses.warned(recording.checkpoint, DecodeError("reason", "damaged")).warnings
    assert (warning.code, warning.message, warning.frame) == ("damaged", "reason", 50)


def test_without_a_loss_nothing_is_told(recording: VolumeRecording) -> None:
    announced: list[str] = []
    losses = Losses(recording, announce=announced.append, metrics=Metrics())
    losses.report(None)
    assert losses.warned(recording.checkpoint, None) == recording.checkpoint
    assert announced == []
