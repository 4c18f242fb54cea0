"""The bounded list of a session's warnings."""

from hypothesis import given
from hypothesis import strategies as st

from storage.warning import MAX_WARNINGS, SessionWarning, added


def all_of(*noticed: tuple[str, str]) -> list[tuple[str, str]]:
    """Return the code and the message of every warning that is kept of ``noticed``."""
    warnings: tuple[SessionWarning, ...] = ()
    for code, message in noticed:
        warnings = added(warnings, SessionWarning(code=code, message=message))
    return [(each.code, each.message) for each in warnings]


def test_the_first_warnings_are_kept_and_none_twice() -> None:
    noticed = [("a", str(number)) for number in range(MAX_WARNINGS)]
    assert all_of(noticed[0], noticed[0], *noticed, ("a", "more")) == noticed


def test_a_new_code_replaces_the_last_warning_that_shares_its_code() -> None:
    noticed = [("a", "0"), *(("b", str(number)) for number in range(MAX_WARNINGS - 1))]
    assert all_of(*noticed, ("c", "new")) == [*noticed[:-1], ("c", "new")]


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.text(max_size=3)), max_size=40))
def test_every_code_is_among_the_kept_warnings(noticed: list[tuple[str, str]]) -> None:
    kept = all_of(*noticed)
    assert len(kept) <= MAX_WARNINGS
    assert {code for code, _ in kept} == {code for code, _ in noticed}


@given(st.text(min_size=100, max_size=400))
def test_a_long_message_is_cut_to_whole_characters(message: str) -> None:
    ((_, kept),) = all_of(("a", message))
    assert message.startswith(kept)
    assert len(message.encode()) - len(kept.encode()) <= max(0, len(message.encode()) - 157)
