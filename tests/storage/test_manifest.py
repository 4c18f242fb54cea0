"""Encoding and decoding of manifests."""

import json
from datetime import UTC, datetime

import msgspec
import pytest

from storage import manifest as manifests
from storage.checkpoint import Checkpoint
from tests.storage.conftest import new_manifest


def test_a_manifest_is_decoded_as_it_was_encoded() -> None:
    manifest = new_manifest(user_id="Zoë").completed(
        Checkpoint(3, 64000), datetime(2026, 1, 2, tzinfo=UTC)
    )
    assert manifests.decode(manifests.encode(manifest)) == manifest


def test_a_manifest_is_indented_json() -> None:
    text = manifests.encode(new_manifest(session_id="x")).decode()
    assert text.startswith('{\n  "session_id": "x",\n  "status": "active",\n')
    assert json.loads(text)["sample_rate"] == 16000


def test_json_that_is_not_a_manifest_is_refused() -> None:
    with pytest.raises(msgspec.MsgspecError):
        manifests.decode(b'{"session_id": "x"}')


def test_the_duration_is_the_frames_divided_by_the_rate() -> None:
    manifest = new_manifest(channels=2).advanced_to(Checkpoint(1, 4 * 24000))
    assert (manifest.frames, manifest.duration_seconds) == (24000, 1.5)
