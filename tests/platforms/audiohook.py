"""The client of Genesys AudioHook: it waits for `opened`, and numbers its messages."""

import json
from typing import Any

CALL = "090eaa2f-72fa-480a-83e0-8667ff89c0ec"
STEREO = {"type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000}
MONO = STEREO | {"channels": ["external"]}


class Client:
    def __init__(self, session_id: str = "e160e428-53b2-487c-977d-96989bf5c99d") -> None:
        self.session_id = session_id
        self.sequence = 0
        self.frames = 0

    def message(self, kind: str, server_sequence: int = 0, **parameters: Any) -> str:
        self.sequence += 1
        return json.dumps(
            {
                "version": "2",
                "id": self.session_id,
                "type": kind,
                "seq": self.sequence,
                "serverseq": server_sequence,
                "position": f"PT{self.frames / 8000:g}S",
                "parameters": parameters,
            }
        )

    def open(self, *media: dict[str, Any], conversation_id: str = CALL) -> str:
        return self.message(
            "open",
            organizationId="d7934305-0972-4844-938e-9060eef73d05",
            conversationId=conversation_id,
            participant={
                "id": "883efee8-3d6c-4537-b500-6d7ca4b92fa0",
                "ani": "+1-555-555-1234",
                "aniName": "John Doe",
                "dnis": "+1-800-555-6789",
            },
            media=list(media or (STEREO, MONO)),
            language="en-US",
        )
