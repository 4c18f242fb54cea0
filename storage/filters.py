"""Which sessions a list has, and in which order."""

import re
from datetime import datetime
from uuid import UUID

import msgspec

from storage.manifest import Manifest, Status

_MAX_MILLISECONDS = 2**48 - 1  # of the time in a UUID of version 7 (RFC 9562, section 5.7)
_TIME_SHIFT = 80
_MAX_ID = 2**128 - 1
_ID_PREFIX = re.compile(r"[0-9a-f-]+")

# Between the texts of a session, so that a search finds nothing across two of them: neither has it.
_SEPARATOR = "\n"


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """The filters of a list; None: any. Ids order sessions, and say when they were created.

    ``created_from`` is inclusive, ``created_to`` exclusive. ``text`` is a part of the title, of the
    value of metadata or of the user, in any case, or the beginning of the id. ``metadata`` are
    values that must be equal, by name.
    """

    status: Status | None = None
    user_id: str | None = None
    has_warnings: bool | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    text: str | None = None
    metadata: dict[str, str] = {}
    is_oldest_first: bool = False

    def matches(self, manifest: Manifest) -> bool:
        """Return whether the session passes the filters."""
        session_id = UUID(manifest.session_id)
        return (
            self.status in {None, manifest.status}
            and self.user_id in {None, manifest.user_id}
            and self.has_warnings in {None, manifest.has_warnings}
            and self.first_id <= session_id < self.end_id
            and self.metadata.items() <= manifest.metadata.items()
            and (self.text is None or self._finds(manifest))
        )

    @property
    def first_id(self) -> UUID:
        """Return the lowest id of a session that was created at ``created_from``."""
        return UUID(int=0) if self.created_from is None else _lowest_id(self.created_from)

    @property
    def end_id(self) -> UUID:
        """Return an id above those of all sessions that were created before ``created_to``."""
        return UUID(int=_MAX_ID) if self.created_to is None else _lowest_id(self.created_to)

    def ids_after(self, cursor: UUID | None) -> tuple[UUID, UUID]:
        """Return the lowest id of the sessions after ``cursor``, and an id above all of them."""
        first, end = self.first_id, self.end_id
        if cursor is None:
            return first, end
        if self.is_oldest_first:
            return max(first, UUID(int=min(cursor.int + 1, _MAX_ID))), end
        return first, min(end, cursor)

    @property
    def folded_text(self) -> str:
        return (self.text or "").casefold()

    @property
    def id_range(self) -> tuple[UUID, UUID] | None:
        """Return the lowest and the highest id that begin with ``text``, None if no id does."""
        text = self.folded_text
        lowest, highest = (text + template[len(text) :] for template in _ID_ENDS)
        if _ID_PREFIX.fullmatch(text) is None or len(lowest) != len(_ID_ENDS[0]):
            return None
        try:
            found = UUID(lowest), UUID(highest)
        except ValueError:
            return None
        return found if str(found[0]) == lowest else None

    def _finds(self, manifest: Manifest) -> bool:
        is_in_text = self.folded_text in searched_text(manifest)
        return is_in_text or manifest.session_id.startswith(self.folded_text)


ALL = Filters()

_ID_ENDS = tuple(f"{digit * 8}-{digit * 4}-{digit * 4}-{digit * 4}-{digit * 12}" for digit in "0f")


def searched_text(manifest: Manifest) -> str:
    """Return in one case what a search for text looks at, except the id."""
    texts = [manifest.title, manifest.user_id, *manifest.metadata.values()]
    lines = (text.casefold().replace(_SEPARATOR, " ") for text in texts if text)
    return _SEPARATOR.join(lines)


def _lowest_id(at: datetime) -> UUID:
    milliseconds = int(at.timestamp() * 1000)
    return UUID(int=min(max(milliseconds, 0), _MAX_MILLISECONDS) << _TIME_SHIFT)
