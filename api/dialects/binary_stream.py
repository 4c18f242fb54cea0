"""What the platforms share that send audio as binary messages: it follows without timestamps.

Audio may arrive before the metadata. It is held until the metadata arrives or the caller of
`stop_waiting` decides that it will not; then the query of the URL says what the audio is.
"""

from collections.abc import Mapping

from api.dialects import fields
from api.dialects.events import Audio, Begin, CallError, Encoding, Event

# Two seconds of 48 kHz stereo.
_MAX_HELD_BYTES = 384 * 1024

_CHANNELS = (1, 2)


class BinaryStream:
    """The audio of one connection, which begins when the metadata is known."""

    def __init__(self, name: str, query: Mapping[str, str]) -> None:
        self.name = name
        self.query = query
        self.began: Begin | None = None
        self._held = bytearray()

    def receive_bytes(self, data: bytes) -> list[Event]:
        if self.began is not None:
            return [Audio(data)] if data else []
        self._held += data
        return self.stop_waiting() if len(self._held) > _MAX_HELD_BYTES else []

    def stop_waiting(self) -> list[Event]:
        if self.began is not None or not self._held:
            return []
        return self.release(self.begin_by_query())

    def release(self, begin: Begin) -> list[Event]:
        """Begin; return what was held, too."""
        self.began, held = begin, bytes(self._held)
        self._held.clear()
        return [begin, Audio(held)] if held else [begin]

    def begin_by_query(self, *, default_rate: int | None = None, default_width: int = 1) -> Begin:
        """Return what the query says. Raises `CallError` if it does not say the rate."""
        rate = fields.number_at(self.query, "sample_rate") or default_rate
        if rate is None:
            raise CallError("no metadata: put sample_rate, channels and format into the URL")
        width = fields.number_at(self.query, "channels") or default_width
        return Begin(
            encoding=self.encoding_by_query("l16"),
            sample_rate=fields.sample_rate_of(rate, rate),
            width=width_of(width),
            call_id=fields.text_at(self.query, "call_id"),
            caller=fields.text_at(self.query, "from"),
            callee=fields.text_at(self.query, "to"),
            parameters=self.query_parameters(),
        )

    def encoding_by_query(self, default: Encoding) -> Encoding:
        codec = fields.text_at(self.query, "format")
        return fields.encoding_of(codec) if codec else default

    def query_parameters(self) -> dict[str, str]:
        """Return the parameters of the query that have no meaning for the service."""
        return fields.parameters(self.query, without=_KNOWN)


_KNOWN = frozenset(
    {"sample_rate", "channels", "format", "user_id", "call_id", "from", "to", "token"}
)


def width_of(channels: int) -> int:
    """Return the channels of a message. Raises `CallError` for more than two."""
    if channels not in _CHANNELS:
        raise CallError(f"{channels} channels are not offered: choose 1 or 2")
    return channels
