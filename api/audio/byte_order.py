"""The byte order of 16-bit PCM, as its samples show it.

Live audio changes little from one sample to the next. In the wrong order the lower byte, which is
nearly random, decides the value, so that the audio looks like noise.
"""

import array
import itertools
import sys

# Of the wrong order; noise has about the same variation in both.
_LEAST_RATIO = 2

_MAX_SAMPLES = 8000


def is_big_endian(pcm: bytes) -> bool:
    """Return whether ``pcm`` looks like audio if it is big endian, and like noise if it is not."""
    native = array.array("h", pcm[: len(pcm) // 2 * 2][: 2 * _MAX_SAMPLES])
    swapped = native[:]
    swapped.byteswap()
    little, big = (swapped, native) if sys.byteorder == "big" else (native, swapped)
    return _variation(big) * _LEAST_RATIO < _variation(little)


def swap(pcm: bytes) -> bytes:
    """Return whole samples of ``pcm`` in the other byte order."""
    samples = array.array("h", pcm[: len(pcm) // 2 * 2])
    samples.byteswap()
    return samples.tobytes()


def _variation(samples: "array.array[int]") -> int:
    return sum(abs(later - earlier) for earlier, later in itertools.pairwise(samples))
