"""The framer of ADTS skips what is no frame, and counts it."""

import pytest

from api.audio.framing.adts import AdtsFramer
from tests.api.audio.framing.test_framer import encoded, passed
from tests.audio import decode


def test_bytes_before_the_first_adts_frame_are_skipped_and_counted() -> None:
    framer = AdtsFramer()
    assert passed(framer, b"\xff junk \xff\xf1 junk" + encoded("aac"), 1) == encoded("aac")
    assert framer.skipped_bytes == 14


def adts_frames(data: bytes) -> list[bytes]:
    frames, position = [], 0
    while position < len(data):
        length = int.from_bytes(data[position + 3 : position + 6]) >> 5 & 0x1FFF
        frames.append(data[position : position + length])
        position += length
    return frames


def with_channels(frame: bytes, pairs: int) -> bytes:
    """Return the mono ``frame`` with a list of one channel and some pairs in front."""
    front = "00000" + "".join(f"1{number:04b}" for number in range(pairs))
    listed = f"101000001{7:04b}{1 + pairs:04b}" + 24 * "0" + front
    listed += "0" * (-len(listed) % 8) + 8 * "0"
    element = int(listed, 2).to_bytes(len(listed) // 8)
    head, length = bytearray(frame[:7]), len(frame) + len(element)
    head[3] = head[3] & 0xFC | length >> 11
    head[4] = length >> 3 & 0xFF
    head[5] = head[5] & 0x1F | (length & 7) << 5
    return bytes(head) + element + frame[7:]


@pytest.mark.parametrize("pairs", [0, 1, 5, 13])
def test_a_frame_that_lists_other_channels_is_skipped_and_no_more(pairs: int) -> None:
    """ffmpeg would exit, because it cannot mix so many channels."""
    data = encoded("aac")
    frames = adts_frames(data)
    altered = with_channels(frames[20], pairs)
    before, behind = b"".join(frames[:20]), b"".join(frames[21:])
    framer = AdtsFramer()
    passed_on = passed(framer, before + altered + behind, 900)
    assert passed_on == before + (b"" if pairs else altered) + behind
    assert framer.skipped_bytes == (len(altered) if pairs else 0)
    whole = decode(data, sample_rate=22050)
    assert len(decode(passed_on, sample_rate=22050)) == len(whole) - (2048 if pairs else 0)


def test_a_leading_id3_tag_is_dropped_and_is_no_damage() -> None:
    framer = AdtsFramer()
    tag = b"ID3\x04\0\0" + bytes((0, 0, 1, 5)) + bytes(133)  # 7 bits of the size in each byte
    assert passed(framer, tag + encoded("aac"), 1) == encoded("aac")
    assert framer.skipped_bytes == 0


def test_a_frame_is_passed_on_when_its_last_byte_arrives() -> None:
    framer, data = AdtsFramer(), encoded("aac")
    first = int.from_bytes(data[3:6], "big") >> 5 & 0x1FFF  # the length in the ADTS header
    second = int.from_bytes(data[first + 3 : first + 6], "big") >> 5 & 0x1FFF
    first_frame = b"".join(
        framer.feed(data[: first + 7])
    )  # the second header confirms the first frame
    assert first_frame == data[:first]
    assert b"".join(framer.feed(data[first + 7 : first + second - 1])) == b""
    last = b"".join(framer.feed(data[first + second - 1 : first + second]))
    assert last == data[first : first + second]
