"""Webhooks: what the service tells other systems of its sessions, and what it asks them.

Sent: signed POST requests (Standard Webhooks) to the endpoints of ``WEBHOOK_URLS`` and
``WEBHOOKS_FILE``, and one to ``AUTHORIZE_URL`` before a session is created. Redirects are not
followed, certificates are checked, and at most 64 KiB of an answer are read.

Stored: an entry in the outbox of the storage for each event that is not yet delivered
(`storage.outbox`). It is an intent, written before the state that it tells of. Before each attempt
the service reads whether storage shows that state. So after a crash no event is missing, and none
is sent that did not happen.

Not promised: that an event comes once, or in order. Receivers compare ids and sequence numbers.
``session.persistence_delayed`` is sent from memory, in one attempt.
"""
