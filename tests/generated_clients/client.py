"""Calls the service with a client that was generated from its OpenAPI document."""

# The test generates the package ``generated`` before it runs this program.
# mypy: ignore-errors

import json
import sys

from generated import Client
from generated.api.sessions import (
    close_session,
    create_session,
    delete_session,
    get_session,
    get_waveform,
    list_sessions,
)
from generated.models import (
    CreateSession,
    CreateSessionChannelsType0,
    CreateSessionFormatType0,
    CreateSessionSampleRateType0,
    ErrorBody,
    ListSessionsStatusType0,
)

client = Client(base_url=sys.argv[1])
created = create_session.sync(
    client=client,
    body=CreateSession(
        sample_rate=CreateSessionSampleRateType0.VALUE_16000,
        channels=CreateSessionChannelsType0.VALUE_1,
        format_=CreateSessionFormatType0.WAV,
        user_id=None,
    ),
)
session_id = created.session.session_id
page = list_sessions.sync(client=client, status=ListSessionsStatusType0.ACTIVE)
closed = close_session.sync(session_id, client=client)
waveform = get_waveform.sync(session_id, client=client)
deleted = delete_session.sync(session_id, client=client)
gone = get_session.sync(session_id, client=client)
assert isinstance(gone, ErrorBody)
print(
    json.dumps({
        "rate": created.session.sample_rate,
        "listed": session_id in [each.session_id for each in page.sessions],
        "closed": closed.session.status,
        "pixels": waveform.length,
        "deleted": deleted.success,
        "code": gone.code,
    })
)  # fmt: skip
