"""Sessions announce events to one component; without webhooks it does nothing."""

from api.session.events import NoEvents, SessionEvents


async def test_without_webhooks_an_event_has_no_effect() -> None:
    events: SessionEvents = NoEvents()
    events.warned("id", "code")
    events.taken_over("id")
    async with events.creating("id"), events.completing("id"), events.deleting({"id": None}):
        pass
