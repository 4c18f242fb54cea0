"""The dialects by name."""

from collections.abc import Callable, Mapping

from api.dialects.asterisk import Asterisk
from api.dialects.audiohook import AudioHook
from api.dialects.events import Dialect
from api.dialects.exotel import Exotel
from api.dialects.fork import Fork
from api.dialects.livekit import LiveKit
from api.dialects.plivo import Plivo
from api.dialects.telnyx import Telnyx
from api.dialects.twilio import Twilio
from api.dialects.vonage import Vonage

Query = Mapping[str, str]

DIALECTS: dict[str, Callable[[Query], Dialect]] = {
    "twilio": lambda _: Twilio(),
    "signalwire": lambda _: Twilio("signalwire"),
    "telnyx": lambda _: Telnyx(),
    "plivo": lambda _: Plivo(),
    "exotel": lambda _: Exotel(),
    "vonage": Vonage,
    "asterisk": Asterisk,
    "fork": lambda query: Fork("fork", query),  # mod_audio_fork
    "jambonz": lambda query: Fork("jambonz", query),
    "stream": lambda query: Fork("stream", query),  # mod_audio_stream
    "livekit": LiveKit,
    "audiohook": AudioHook,
}

AUTO = "auto"

# Other names of the same platforms.
ALIASES = {
    "freeswitch": "fork",
    "mod_audio_fork": "fork",
    "mod_audio_stream": "stream",
    "genesys": "audiohook",
}
