"""Ids of sessions have one spelling."""

import pytest

from api.session.session_ids import canonical_id, parse_session_id
from api.wire.errors import SessionNotFoundError

KNOWN = "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"


@pytest.mark.parametrize("spelling", [KNOWN.replace("-", ""), f"{{{KNOWN}}}", f"urn:uuid:{KNOWN}"])
def test_only_the_canonical_spelling_of_a_session_id_is_accepted(spelling: str) -> None:
    with pytest.raises(SessionNotFoundError):
        parse_session_id(spelling)
    assert str(parse_session_id(KNOWN.upper())) == KNOWN


def test_an_id_is_told_in_lower_case_and_other_text_as_it_is() -> None:
    assert canonical_id(KNOWN.upper()) == KNOWN
    assert canonical_id("Other") == "Other"
