"""G.711 is decoded as ffmpeg does it."""

import pytest

from api.audio import g711
from tests.audio import decode


@pytest.mark.parametrize("law", ["mulaw", "alaw"])
def test_every_code_has_the_sample_that_ffmpeg_gives_it(law: str) -> None:
    codes = bytes(range(256))
    options = ("-f", law, "-ar", "8000", "-ac", "1")
    expected = decode(codes, sample_rate=8000, input_options=options)
    assert g711.decode(law, codes) == expected  # type: ignore[arg-type]
