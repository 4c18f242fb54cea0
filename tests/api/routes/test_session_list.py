"""The list of sessions: filters, order, pages."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.audio import pcm
from tests.service import Service

SESSIONS = "/api/audio/sessions"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"limit": "0"}, "invalid_limit"),
        ({"limit": "1001"}, "invalid_limit"),
        ({"limit": "many"}, "invalid_limit"),
        ({"status": "asleep"}, "invalid_status"),
        ({"status": "error"}, "invalid_status"),
        ({"has_warnings": "perhaps"}, "invalid_has_warnings"),
        ({"cursor": "junk"}, "invalid_cursor"),
        ({"cursor": "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"}, "invalid_cursor"),
        ({"sort": "longest"}, "invalid_sort"),
        ({"from": "yesterday"}, "invalid_from"),
        ({"to": "2026-13-01"}, "invalid_to"),
        ({"q": "x" * 201}, "invalid_q"),
        ({"metadata.": "x"}, "invalid_metadata"),
        ({f"metadata.{number}": "x" for number in range(17)}, "invalid_metadata"),
    ],
)
def test_invalid_filters_get_422(service: Service, query: dict[str, str], code: str) -> None:
    answer = service.get(SESSIONS, params=query)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Library"]:
    library = Library(tmp_path_factory.mktemp("library"))
    yield library
    assert library.service.stop() == 0


class Library:
    """A service with four sessions, of which the last one is active."""

    def __init__(self, folder: Path) -> None:
        self.service = Service(folder).start()
        self.infos = [
            self._create(user_id="alice", title="Board Meeting", metadata={"room": "12"}),
            self._create(user_id="bob", title="Interview", metadata={"room": "1", "of": "Board"}),
            self._create(user_id="alice"),
        ]
        for info in self.infos:
            self.service.post(f"{SESSIONS}/{info['session_id']}/close")
        self.infos.append(self._create(title="Live from the board", metadata={"room": "12"}))

    def _create(self, **body: Any) -> dict[str, Any]:
        return dict(self.service.post(SESSIONS, json=body).json()["session"])

    def listed(self, **query: object) -> list[int]:
        """Return the numbers of the listed sessions, from all pages."""
        ids = [info["session_id"] for info in self.infos]
        found: list[int] = []
        while True:
            page = self.service.get(SESSIONS, params={"limit": 1, **query}).json()
            found += [ids.index(session["session_id"]) for session in page["sessions"]]
            if page["next_cursor"] is None:
                return found
            assert not any(each in page["next_cursor"] for each in ids)
            query["cursor"] = page["next_cursor"]

    def total(self, **query: object) -> int | None:
        page = self.service.get(SESSIONS, params={"limit": 1, **query}).json()
        total: int | None = page["total"]
        return total


FILTERS: dict[str, tuple[dict[str, str], list[int]]] = {
    "all": ({}, [3, 2, 1, 0]),
    "oldest": ({"sort": "oldest"}, [0, 1, 2, 3]),
    "completed": ({"status": "completed"}, [2, 1, 0]),
    "active": ({"status": "active"}, [3]),
    "user": ({"user_id": "alice", "sort": "oldest"}, [0, 2]),
    "warnings": ({"has_warnings": "true"}, []),
    "title": ({"q": "MEETING"}, [0]),
    "anywhere": ({"q": "board"}, [3, 1, 0]),
    "user as text": ({"q": "ali"}, [2, 0]),
    "metadata": ({"metadata.room": "12"}, [3, 0]),
    "both": ({"metadata.room": "12", "q": "board", "status": "completed"}, [0]),
    "two": ({"metadata.room": "1", "metadata.of": "Board"}, [1]),
    "nothing": ({"q": "nothing has this"}, []),
}


@pytest.mark.parametrize("name", FILTERS)
def test_each_filter_lists_the_sessions_that_match_and_their_number(
    library: Library, name: str
) -> None:
    query, expected = FILTERS[name]
    assert library.listed(**query) == expected
    assert library.total(**query) == len(expected)


def test_times_and_ids_are_filters(library: Library) -> None:
    at = library.infos[1]["created_at"]
    assert library.listed(**{"from": at}) == [3, 2, 1]
    assert library.listed(to=at) == [0]
    assert library.listed(**{"from": at, "to": at}) == []
    assert library.listed(**{"from": "2020-01-01", "to": "2020-01-02T00:00Z"}) == []
    session_id = library.infos[1]["session_id"]
    assert library.listed(q=session_id.upper()) == [1]
    assert 1 in library.listed(q=session_id[:20])


def test_only_the_first_page_has_the_total(library: Library) -> None:
    first = library.service.get(SESSIONS, params={"limit": 3}).json()
    query = {"limit": 3, "cursor": first["next_cursor"]}
    second = library.service.get(SESSIONS, params=query).json()
    assert (first["total"], second["total"]) == (4, None)


async def test_a_search_finds_the_new_title_at_once_and_after_a_crash(
    start_service: Callable[..., Service],
) -> None:
    service = start_service()
    async with service.session(title="old") as client:
        await client.send(pcm(10))
        await client.close_session()
    path = f"{SESSIONS}/{client.session_id}"

    def found(text: str) -> list[str]:
        sessions = service.get(SESSIONS, params={"q": text}).json()["sessions"]
        return [session["session_id"] for session in sessions]

    assert service.patch(path, json={"title": "new"}).status_code == 200
    assert (found("new"), found("old")) == ([client.session_id], [])
    service.kill()
    service.start()
    assert (found("new"), found("old")) == ([client.session_id], [])
