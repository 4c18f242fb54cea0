"""The framer of ADTS skips what is no frame, and counts it."""

from api.audio.framing.adts import AdtsFramer
from tests.api.audio.framing.test_framer import encoded, passed


def test_bytes_before_the_first_adts_frame_are_skipped_and_counted() -> None:
    framer = AdtsFramer()
    assert passed(framer, b"\xff junk \xff\xf1 junk" + encoded("aac"), 1) == encoded("aac")
    assert framer.skipped_bytes == 14


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
