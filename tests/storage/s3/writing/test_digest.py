"""The digest and the waveform of what is persisted."""

import hashlib
from pathlib import Path

from storage.pcm import PcmFormat
from storage.s3.writing.digest import Digest
from storage.waveform.growing_file import GrowingWaveform
from tests.audio import dat
from tests.storage.s3.conftest import (
    LONG_AUDIO,
    RATE,
)


def test_repeated_or_early_audio_does_not_change_the_digest(tmp_path: Path) -> None:
    file = GrowingWaveform(tmp_path / "peaks", PcmFormat(RATE, 1))
    digest = Digest(file)
    for start, stop in ((0, 700), (0, 700), (900, 2000), (700, 9001), (700, 800), (9001, 40_000)):
        digest.add(start, LONG_AUDIO[start:stop])
    assert digest.pcm_bytes == len(LONG_AUDIO)
    assert digest.sha256 == hashlib.sha256(LONG_AUDIO).hexdigest()
    assert file.to_peaks().encode() == dat(LONG_AUDIO, sample_rate=RATE)
