"""The head of a stream grows until its format can be detected; tags are no part of it."""

from api.audio.formats import InputKind
from api.audio.head import Detection
from tests.api.audio.test_tags import TAGS
from tests.audio import cut


def test_detection_runs_each_time_the_head_has_grown_by_a_sixteenth() -> None:
    """Running it for each byte would take quadratic time."""
    head = Detection("wav")
    runs = sum(head.add(b"x") for _ in range(10_000))
    assert bytes(head.head) == b"x" * 10_000
    assert runs < 150


def test_leading_tags_are_dropped_and_mean_mp3_unless_another_format_is_declared() -> None:
    tags = TAGS["ID3v2"] + TAGS["ID3v2 with a footer"]
    kinds: dict[InputKind, InputKind] = {"wav": "mp3", "mp4": "mp3", "aac": "aac", "flac": "flac"}
    for declared, kind in kinds.items():
        head = Detection(declared)
        is_ready = [head.add(piece) for piece in cut(tags + b"audio", 7)]
        assert (bytes(head.head), head.declared) == (b"audio", kind)
        assert not any(is_ready[: len(tags) // 7])
        assert head.has_input


def test_a_tag_without_anything_behind_it_is_input_and_no_head() -> None:
    head = Detection("wav")
    assert not head.has_input
    head.add(TAGS["ID3v2"])
    assert head.has_input
    assert not head.head


def test_a_head_that_comes_in_one_chunk_is_not_copied() -> None:
    head, chunk = Detection("wav"), b"x" * 10_000
    head.add(chunk)
    assert head.head is chunk
