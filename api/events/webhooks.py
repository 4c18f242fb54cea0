"""Webhooks as one component: built from endpoints, with the background tasks that they need."""

from collections import Counter
from collections.abc import Callable, Sequence
from uuid import UUID

from api.clock import Clock
from api.events.bodies import Bodies, LinkTo
from api.events.delays import PersistenceDelays
from api.events.delivery import Delivery, DeliverySettings
from api.events.endpoint import Endpoint
from api.events.entry import EventType
from api.events.queue import OutboxQueue
from api.events.receiver import Receiver, Sender
from api.events.sender import Result
from api.events.writer import OutboxWriter
from api.observe.tracing import Tracing
from api.session.events import NoEvents, SessionEvents
from api.session.registry import Registry
from api.wire.messages import DownloadLink
from storage.base import Storage
from storage.manifest import Manifest
from storage.supervisor import Run


class Webhooks:
    """Without endpoints it announces nothing, runs nothing and uses no storage."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        storage: Storage,
        clock: Clock,
        sender: Sender,
        link_to: LinkTo,
        *,
        tracing: Tracing | None = None,
        settings: DeliverySettings | None = None,
    ) -> None:
        self.events: SessionEvents = NoEvents()
        self._clock = clock
        self._delivery: Delivery | None = None
        settings = settings or DeliverySettings()
        if endpoints:
            queue = OutboxQueue(
                storage.outbox,
                clock,
                page_size=settings.page_size,
                adopt_seconds=settings.adopt_seconds,
            )
            self._delivery = delivery = Delivery(
                storage.outbox,
                queue,
                Bodies(storage, clock, link_to),
                [
                    Receiver(
                        endpoint,
                        sender,
                        clock,
                        tracing or Tracing(),
                        timeout_seconds=settings.timeout_seconds,
                        pause_seconds=settings.pause_seconds,
                        turns=settings.turns,
                        turn_seconds=settings.turn_seconds,
                    )
                    for endpoint in endpoints
                ],
                clock,
                settings=settings,
            )
            self.events = self._writer = OutboxWriter(
                storage.outbox, clock, queue, is_wanted=delivery.is_wanted
            )

    @property
    def attempts(self) -> Counter[tuple[EventType, Result]]:
        """Return the number of attempts so far, by event and result."""
        return Counter() if self._delivery is None else self._delivery.attempts

    def problems(self) -> list[str]:
        """Return what an operator must look at, one text for each problem."""
        failing = [] if self._delivery is None else self._delivery.failing()
        return [f"webhooks to {host} are not delivered, see the log" for host in failing]

    def tasks(self, registry: Registry) -> dict[str, Run]:
        """Return the background tasks, by name."""
        if self._delivery is None:
            return {}
        delays = PersistenceDelays(registry, self._clock, self._delivery)
        return {
            "webhooks": self._delivery.run,
            "webhook-entries": self._writer.run,
            "persistence-delays": delays.run,
        }


def links(
    storage: Storage,
    clock: Clock,
    sign: Callable[[str], DownloadLink] | None,
    *,
    ttl_seconds: int,
) -> LinkTo:
    """Return a function that returns a link to the audio of a completed session.

    A presigned URL if the storage has one; else what ``sign`` makes of the path of the audio, or
    None if the URL of the service is not known.
    """

    async def link_to(manifest: Manifest) -> DownloadLink | None:
        if link := await storage.link(manifest, ttl_seconds, clock.now()):
            return DownloadLink(url=link.url, expires_at=link.expires_at)
        if sign is None:
            return None
        return sign(f"/api/audio/sessions/{UUID(manifest.session_id)}/audio")

    return link_to
