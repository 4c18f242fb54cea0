"""The composition root: builds the application and its components from the settings."""

import asyncio
import contextlib
import functools
import logging
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide

from api import __version__, admission, hooks
from api.access.audit import SERVICE, audit
from api.access.call_access import CallAccess
from api.access.credentials import Authenticator
from api.access.cursors import Cursors
from api.access.origins import AllowedOrigins
from api.access.refusals import DENIALS, answer_error
from api.access.session_tokens import SessionTokens
from api.access.signed_links import LinkSigner
from api.access.signing import (
    MIN_SECRET_BYTES,
    SigningKeys,
)
from api.audio.ffmpeg.encoder import Converter
from api.audio.ffmpeg.launcher import DecoderLauncher, starts_at_once
from api.audio.formats import INPUT_KINDS
from api.backend import create_storage, receipt_keys
from api.clock import Clock, SystemClock
from api.cluster.http_relay import OwnerAnswered, send_owners_answer
from api.cluster.siblings import Siblings
from api.cluster.socket_relay import SocketRelay
from api.cluster.takeover import Takeover
from api.events.delivery import DeliverySettings
from api.events.sender import HttpSender
from api.maintenance.expiration import Expiration
from api.maintenance.expiry import Expiry
from api.maintenance.retention import Retention
from api.node_monitor import NodeMonitor
from api.observe import log_context
from api.observe.metrics import Metrics
from api.observe.requests import ObservedRequests
from api.observe.storage_observer import StorageObserver
from api.observe.tracing import Tracing, TracingMissingError, create_tracing
from api.routes import docs
from api.routes.audio import RecordingsController
from api.routes.call import call, jambonz_recording
from api.routes.call_sessions import CallSessions
from api.routes.client_socket import RawWebSocket
from api.routes.docs import asyncapi_json, openapi_json, redoc
from api.routes.health import StorageCheck, health, ready
from api.routes.identity import identity
from api.routes.links import LinksController
from api.routes.listen import listen
from api.routes.manual import manual, manual_file
from api.routes.metrics import metrics as metrics_text
from api.routes.metrics import service_exposition, status
from api.routes.options import answer_options
from api.routes.receipts import receipt_keys as receipt_keys_document
from api.routes.record import existing_session, new_session
from api.routes.session_list import list_sessions
from api.routes.sessions import SessionsController
from api.routes.shared_page import SharedController
from api.routes.streaming import Readers
from api.routes.timeline import TimelineController
from api.routes.waveform import waveform
from api.routes.web_page import file, page, status_page
from api.routes.workers import complete_unused, live_sessions, worker_metrics, worker_status
from api.server.metrics_listener import metrics_listener
from api.session.core import SessionLimits
from api.session.disk_reserve import DiskReserve
from api.session.parameters import AudioParameters
from api.session.registry import Registry
from api.settings import Settings, SettingsError
from api.wire import openapi
from api.wire.errors import CLOSE_CODES
from api.wire.openapi_document import complete_document
from api.wire.routing import Routing
from api.workers.limits import Limits, OwnLimits
from api.workers.membership import Membership
from storage.base import Storage
from storage.supervisor import Run, Supervisor

logger = logging.getLogger(__name__)

_MAX_BODY_BYTES = 1024 * 1024  # of an HTTP request; audio arrives in WebSocket messages

# Without authentication every caller may see everything, and nodes need no common secret.
_NO_SECRET = SigningKeys(lambda: (bytes(MIN_SECRET_BYTES),))


def create_app(
    settings: Settings,
    *,
    storage: Storage | None = None,
    clock: Clock | None = None,
    membership: Membership | None = None,
    is_preflighted: bool = False,
    metrics_socket: socket.socket | None = None,
    delivery_settings: DeliverySettings | None = None,
) -> Litestar:
    """Return the service as an ASGI application; it does no I/O before its lifespan starts.

    ``is_preflighted``: :func:`preflight` has succeeded, so the store is not checked again.
    ``membership``: this process is one of several workers.
    ``metrics_socket`` listens on METRICS_ADDRESS; several workers share it.
    Raises `SettingsError` if the API keys or the endpoints of webhooks cannot be read, or if the
    stored secret is too short.
    """
    clock = clock or SystemClock()
    supervisor = Supervisor()
    tracing = _tracing(settings)
    metrics = Metrics(formats=INPUT_KINDS, close_codes=CLOSE_CODES, denials=DENIALS)
    receipts = receipt_keys(settings)
    storage = storage or create_storage(
        settings,
        clock,
        is_store_checked=is_preflighted,
        supervisor=supervisor,
        observer=StorageObserver(metrics, tracing),
        worker=None if membership is None else membership.worker,
        keys=receipts,
    )
    keys = SigningKeys(lambda: admission.secrets(settings))
    signer, sender = LinkSigner(keys), HttpSender(tracing)
    webhooks = hooks.create_webhooks(
        settings, storage, clock, sender, signer, tracing, delivery_settings
    )
    own_limits, siblings = OwnLimits(), Siblings(membership)
    service_limits: Limits = own_limits if membership is None else membership.control
    registry = Registry(
        storage,
        clock,
        service_limits=service_limits,
        other_workers=siblings,
        max_sessions=settings.max_concurrent_sessions,
        max_sessions_per_user=settings.max_sessions_per_user,
        events=webhooks.events,
        disk=DiskReserve(settings.storage_folder, settings.min_free_disk_mb),
        limits=SessionLimits(
            max_connections=settings.max_connections_per_session,
            connection_timeout_seconds=settings.connection_timeout_seconds,
            session_idle_timeout_seconds=settings.session_idle_timeout_seconds,
            max_session_duration_seconds=settings.max_session_duration_seconds,
        ),
        launcher=DecoderLauncher(
            loglevel=settings.ffmpeg_loglevel,
            max_chunk_seconds=settings.max_chunk_duration_seconds,
            starts_at_once=starts_at_once(settings.worker_count),
        ),
        metrics=metrics,
        tracing=tracing,
    )
    monitor = NodeMonitor(
        registry,
        storage,
        supervisor,
        metrics,
        folder=settings.storage_folder,
        backend=settings.storage_backend,
        webhooks=webhooks,
    )
    origins = AllowedOrigins(settings.listed_origins, settings.public_url)
    admission.check_secret(settings)
    tokens = SessionTokens(keys, ttl_seconds=settings.session_token_ttl_seconds)
    authenticator = Authenticator(
        admission.provider(settings, clock),
        tokens,
        clock,
        admission.call_signatures(settings, clock),
    )
    relay = SocketRelay(
        max_message_bytes=settings.max_message_size_bytes,
        silence_seconds=settings.lease_seconds,
        with_credentials=settings.requires_credentials,
        metrics=metrics,
        sockets=None if membership is None else membership.sockets,
    )
    app = Litestar(
        [
            new_session,
            existing_session,
            call,
            jambonz_recording,
            listen,
            SessionsController,
            list_sessions,
            TimelineController,
            RecordingsController,
            waveform,
            LinksController,
            SharedController,
            receipt_keys_document,
            health,
            ready,
            identity,
            metrics_text,
            status,
            complete_unused,
            worker_metrics,
            worker_status,
            live_sessions,
            openapi_json,
            asyncapi_json,
            manual,
            manual_file,
            redoc,
            page,
            status_page,
            file,
        ],
        dependencies=_provide(
            settings=settings,
            default_audio=AudioParameters(
                settings.default_sample_rate, settings.default_channels, settings.default_format
            ),
            clock=clock,
            registry=registry,
            calls=CallSessions(registry, relay, lease_seconds=settings.lease_seconds),
            access=CallAccess(authenticator),
            storage=storage,
            check=StorageCheck(storage),
            tokens=tokens,
            cursors=Cursors(keys if settings.requires_credentials else _NO_SECRET),
            relay=relay,
            converter=Converter(),
            readers=Readers(settings.max_readers_per_caller, metrics),
            metrics=metrics,
            monitor=monitor,
            signer=signer,
            authorizer=hooks.create_authorizer(settings, sender, clock),
            siblings=siblings,
            receipt_keys=receipts,
        ),
        state=State(
            {
                "registry": registry,
                "storage": storage,
                "metrics": metrics,
                "tracing": tracing,
                "lease_seconds": settings.lease_seconds,
                "relays_credentials": settings.requires_credentials,
                "worker_sockets": None if membership is None else membership.sockets,
            }
        ),
        middleware=admission.middleware(
            settings,
            origins,
            authenticator,
            service_limits,
        ),
        cors_config=admission.cors(origins) if settings.listed_origins else None,
        before_request=answer_options,
        exception_handlers={
            Exception: answer_error,
            OwnerAnswered: send_owners_answer,
        },
        openapi_config=openapi.openapi_config(
            docs.swagger(settings.public_path), settings.public_path
        ),
        websocket_class=RawWebSocket,
        request_max_body_size=_MAX_BODY_BYTES,
        logging_config=None,  # `api.cli.service` configures logging
        lifespan=[
            lambda _: tracing.running(),
            *_metrics_listener(metrics_socket, monitor, siblings),
            _running(
                storage,
                registry,
                supervisor,
                _background_tasks(settings, storage, registry, clock, metrics, membership)
                | {"rate-limits": own_limits.remove_expired}
                | webhooks.tasks(registry),
                sender,
            ),
        ],
    )
    complete_document(app.openapi_schema)
    app.asgi_handler = ObservedRequests(Routing(app.asgi_handler), metrics, tracing)
    return app


def _tracing(settings: Settings) -> Tracing:
    if not settings.tracing:
        return Tracing()
    try:
        return create_tracing(version=__version__, node=settings.node_url or socket.gethostname())
    except TracingMissingError as error:
        raise SettingsError(str(error)) from error


def _metrics_listener(
    listening: socket.socket | None, monitor: NodeMonitor, siblings: Siblings
) -> list[Callable[[Litestar], contextlib.AbstractAsyncContextManager[None]]]:
    if listening is None:
        return []
    return [lambda _: metrics_listener(listening, lambda: service_exposition(monitor, siblings))]


def _background_tasks(
    settings: Settings,
    storage: Storage,
    registry: Registry,
    clock: Clock,
    metrics: Metrics,
    membership: Membership | None,
) -> dict[str, Run]:
    """Return the background tasks of the service, by name."""
    takeover = Takeover(
        registry,
        storage,
        lease_seconds=settings.lease_seconds,
        look=None if membership is None else membership.control.look,
    )
    tasks: dict[str, Run] = {
        "takeover": takeover.run,
        "expiry": Expiry(registry).run,
        "event-loop-lag": metrics.measure_event_loop,
    }

    def deleted(reason: str, session_id: str) -> None:
        audit("deleted", SERVICE, session_id, reason=reason)
        metrics.deleted.add("retention")

    expiration = Expiration(
        registry, storage, clock, deleted=functools.partial(deleted, "expires_at")
    )
    tasks["expiration"] = expiration.run
    if settings.retention_days:
        retention = Retention(
            registry,
            storage,
            clock,
            days=settings.retention_days,
            deleted=functools.partial(deleted, "RETENTION_DAYS"),
        )
        tasks["retention"] = retention.run
    return tasks


def _running(
    storage: Storage,
    registry: Registry,
    supervisor: Supervisor,
    tasks: dict[str, Run],
    sender: HttpSender,
) -> Callable[[Litestar], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        await storage.start()
        log_context.set_process(node=storage.node_id)
        background = [supervisor.start(name, run) for name, run in tasks.items()]
        try:
            yield
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await sender.close()
            await registry.shutdown()
            await storage.stop()

    return lifespan


def _provide(**components: object) -> dict[str, Provide]:
    def constant(component: object) -> Callable[[], Any]:
        return lambda: component

    return {
        name: Provide(constant(component), sync_to_thread=False, use_cache=True)
        for name, component in components.items()
    }
