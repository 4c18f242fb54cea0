"""The digest and the waveform of what is persisted."""

import hashlib
from pathlib import Path

from storage.checkpoint import Checkpoint
from storage.pcm import PcmFormat
from storage.s3.writing.digest import Digest
from storage.waveform.growing_file import GrowingWaveform
from tests.audio import dat
from tests.storage.s3.conftest import (
    LONG_AUDIO,
    RATE,
)
from tests.storage.test_block_digest import by_definition


def test_repeated_or_early_audio_does_not_change_the_digest(tmp_path: Path) -> None:
    file = GrowingWaveform(tmp_path / "peaks", PcmFormat(RATE, 1))
    digest = Digest(file, lambda _number, start, stop: bytes(stop - start))
    for start, stop in ((0, 700), (0, 700), (900, 2000), (700, 9001), (700, 800), (9001, 40_000)):
        digest.add(start, LONG_AUDIO[start:stop], Checkpoint(1, stop))
    assert digest.pcm_bytes == len(LONG_AUDIO)
    assert digest.sha256 == hashlib.sha256(LONG_AUDIO).hexdigest()
    assert digest.session.pcm.hexdigest() == by_definition(LONG_AUDIO)
    assert file.to_peaks().encode() == dat(LONG_AUDIO, sample_rate=RATE)
