"""Encoding and decoding of manifests."""

import json
from datetime import UTC, datetime

import pytest

from storage import manifest as manifests
from storage.checkpoint import Checkpoint
from storage.errors import BadObjectError
from tests.storage.conftest import new_manifest


def test_a_manifest_is_decoded_as_it_was_encoded() -> None:
    manifest = new_manifest(user_id="Zoë").completed(
        Checkpoint(3, 64000), datetime(2026, 1, 2, tzinfo=UTC)
    )
    assert manifests.decode(manifests.encode(manifest)) == manifest


def test_a_manifest_is_indented_json() -> None:
    text = manifests.encode(new_manifest(session_id="x")).decode()
    assert text.startswith('{\n  "version": 1,\n  "session_id": "x",\n')
    assert json.loads(text)["sample_rate"] == 16000


@pytest.mark.parametrize(
    "data", [b'{"session_id": "x"}', b"", b"{", b"\xff", b"[]", b'{"version": "one"}']
)
def test_other_bytes_than_a_manifest_are_refused(data: bytes) -> None:
    with pytest.raises(BadObjectError, match="not a manifest"):
        manifests.decode(data)


def test_a_manifest_without_a_version_is_of_the_first() -> None:
    fields = json.loads(manifests.encode(new_manifest()))
    del fields["version"]
    assert manifests.decode(json.dumps(fields).encode()).version == 1


def test_a_manifest_without_warnings_reads_as_one_that_has_none() -> None:
    fields = json.loads(manifests.encode(new_manifest()))
    del fields["warnings"], fields["warning_count"]
    manifest = manifests.decode(json.dumps(fields).encode())
    assert (manifest.warnings, manifest.warning_count) == ((), 0)


def test_a_manifest_has_the_warnings_of_the_checkpoint_and_the_last_one_as_its_error() -> None:
    checkpoint = Checkpoint(3, 64000)
    for message in ("no frames", "no audio"):
        checkpoint = checkpoint.warned("decode_failed", message, frame=32000)
    manifest = new_manifest().completed(checkpoint, datetime(2026, 1, 2, tzinfo=UTC))
    assert manifests.decode(manifests.encode(manifest)) == manifest
    assert manifest.warnings == checkpoint.warnings
    assert (manifest.error, manifest.warning_count) == ("no audio", 2)


def test_a_manifest_with_only_an_error_as_the_first_release_wrote_it_has_warnings() -> None:
    assert new_manifest(error="no frames").has_warnings
    assert not new_manifest().has_warnings


def test_a_manifest_of_a_newer_version_is_refused_whatever_else_it_has() -> None:
    newer = json.dumps({"version": manifests.VERSION + 1, "sessions": []}).encode()
    with pytest.raises(BadObjectError, match="version 2: this release reads up to 1"):
        manifests.decode(newer)


def test_the_duration_is_the_frames_divided_by_the_rate() -> None:
    manifest = new_manifest(channels=2).advanced_to(Checkpoint(1, 4 * 24000))
    assert (manifest.frames, manifest.duration_seconds) == (24000, 1.5)
