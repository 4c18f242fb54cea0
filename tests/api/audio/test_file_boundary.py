"""A new file in the middle of a stream is found, also if its signature arrives in pieces."""

from api.audio.file_boundary import FileBoundary
from tests.audio import encode, pcm, speech

WEBM = encode(speech(), "-c:a", "libopus", "-f", "webm")


def test_a_chunk_with_a_signature_begins_a_file() -> None:
    assert FileBoundary().new_file(WEBM[:500]) == WEBM[:500]
    assert FileBoundary().new_file(pcm(250)) is None


def test_a_signature_in_pieces_is_kept_back_and_given_to_the_new_file() -> None:
    boundary = FileBoundary()
    assert boundary.new_file(WEBM[:1]) is None
    assert boundary.pass_on(WEBM[:1]) == b""
    assert boundary.has_partial_signature
    assert boundary.new_file(WEBM[1:500]) == WEBM[:500]
    assert not boundary.has_partial_signature


def test_bytes_that_turn_out_to_be_no_signature_are_passed_on_in_order() -> None:
    boundary = FileBoundary()
    assert boundary.pass_on(WEBM[:2]) == b""
    assert boundary.pass_on(b"other bytes") == WEBM[:2] + b"other bytes"
    assert boundary.pass_on(b"more") == b"more"


def test_at_the_end_what_was_kept_back_is_released_once() -> None:
    boundary = FileBoundary()
    boundary.pass_on(WEBM[:3])
    assert boundary.release() == WEBM[:3]
    assert boundary.release() == b""
