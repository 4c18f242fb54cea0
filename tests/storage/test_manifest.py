"""Encoding and decoding of manifests."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from storage import manifest as manifests
from storage.checkpoint import Checkpoint
from storage.details import Details
from storage.errors import BadObjectError
from storage.manifest import Manifest
from tests.damage import damaged
from tests.storage.conftest import new_manifest

SESSION = UUID("019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b")
ACTIVE = new_manifest(session_id=str(SESSION), user_id="Zoë")
COMPLETED = ACTIVE.completed(Checkpoint(3, 64000), datetime(2026, 1, 2, tzinfo=UTC))


@pytest.mark.parametrize("manifest", [ACTIVE, COMPLETED])
def test_a_manifest_is_decoded_as_it_was_encoded(manifest: Manifest) -> None:
    assert manifests.decode(manifests.encode(manifest), SESSION) == manifest


def test_a_manifest_is_indented_json() -> None:
    text = manifests.encode(new_manifest(session_id="x")).decode()
    assert text.startswith('{\n  "title": null,\n  "metadata": {},\n  "hold": false,\n')
    assert json.loads(text)["sample_rate"] == 16000


@pytest.mark.parametrize("manifest", [ACTIVE, COMPLETED])
def test_damaged_bytes_are_a_manifest_of_the_session_or_a_bad_object(manifest: Manifest) -> None:
    for data in damaged(manifests.encode(manifest)):
        try:
            found = manifests.decode(data, SESSION)
        except BadObjectError:
            continue
        assert found.session_id == str(SESSION)
        assert found.pcm_bytes == found.frames * found.pcm_format.frame_bytes
        assert manifests.decode(manifests.encode(found), SESSION) == found


@pytest.mark.parametrize(
    "changed",
    [
        {"session_id": "019aa1b2-7c3d-7e4f-8a5b-000000000000"},
        {"session_id": "../../../etc/passwd"},
        {"version": 0},
        {"sample_rate": 0},
        {"channels": 0},
        {"channels": 3},
        {"status": "active"},
        {"status": "archived"},
        {"created_at": "2026-01-01T00:00:00"},
        {"completed_at": "2026-01-01T00:00:00+14:00"},
        {"size_bytes": -5},
        {"size_bytes": 10**9},
        {"frames": -1},
        {"container": "RF64"},
        {"duration_seconds": 1e300},
        {"user_id": 5},
    ],
)
def test_a_manifest_that_contradicts_itself_or_its_name_is_refused(
    changed: dict[str, object],
) -> None:
    fields = json.loads(manifests.encode(COMPLETED)) | changed
    with pytest.raises(BadObjectError, match=f"{SESSION}: not a manifest"):
        manifests.decode(json.dumps(fields).encode(), SESSION)


def test_a_manifest_without_a_version_is_of_the_first() -> None:
    fields = json.loads(manifests.encode(ACTIVE))
    del fields["version"]
    assert manifests.decode(json.dumps(fields).encode(), SESSION).version == 1


def test_a_manifest_has_the_second_version_only_if_it_has_details() -> None:
    assert json.loads(manifests.encode(ACTIVE))["version"] == 1
    for details in (Details(title="Interview"), Details(metadata={"project": "radio"})):
        manifest = ACTIVE.with_details(details)
        assert json.loads(manifests.encode(manifest))["version"] == 2
        found = manifests.decode(manifests.encode(manifest), SESSION)
        assert (found.details, found.user_id) == (details, "Zoë")


def test_a_manifest_of_release_0_2_0_has_no_details() -> None:
    fields = json.loads(manifests.encode(ACTIVE))
    del fields["title"], fields["metadata"]
    assert manifests.decode(json.dumps(fields).encode(), SESSION).details == Details()


def test_a_manifest_without_warnings_reads_as_one_that_has_none() -> None:
    fields = json.loads(manifests.encode(ACTIVE))
    del fields["warnings"], fields["warning_count"]
    manifest = manifests.decode(json.dumps(fields).encode(), SESSION)
    assert (manifest.warnings, manifest.warning_count) == ((), 0)


def test_a_manifest_has_the_warnings_of_the_checkpoint_and_the_last_one_as_its_error() -> None:
    checkpoint = Checkpoint(3, 64000)
    for message in ("no frames", "no audio"):
        checkpoint = checkpoint.warned("decode_failed", message, frame=32000)
    manifest = ACTIVE.completed(checkpoint, datetime(2026, 1, 2, tzinfo=UTC))
    assert manifests.decode(manifests.encode(manifest), SESSION) == manifest
    assert manifest.warnings == checkpoint.warnings
    assert (manifest.error, manifest.warning_count) == ("no audio", 2)


def test_a_manifest_of_a_newer_version_is_refused_whatever_else_it_has() -> None:
    newer = json.dumps({"version": manifests.VERSION + 1, "sessions": []}).encode()
    with pytest.raises(BadObjectError, match="version 3: this release reads up to 2"):
        manifests.decode(newer, SESSION)


def test_the_duration_is_the_frames_divided_by_the_rate() -> None:
    manifest = new_manifest(channels=2).advanced_to(Checkpoint(1, 4 * 24000))
    assert (manifest.frames, manifest.duration_seconds) == (24000, 1.5)
