"""Each dialect has one name, which it also says."""

from api.dialects.names import ALIASES, DIALECTS


def test_a_dialect_says_the_name_under_which_it_is_found() -> None:
    assert {name: create({}).name for name, create in DIALECTS.items()} == {
        name: name for name in DIALECTS
    }


def test_other_names_lead_to_a_dialect() -> None:
    assert set(ALIASES.values()) <= set(DIALECTS)
    assert not set(ALIASES) & set(DIALECTS)
