"""Builds from the settings what tells other services of sessions, and asks them."""

from api.access.signed_links import LinkSigner
from api.clock import Clock
from api.events.authorizer import SessionAuthorizer
from api.events.delivery import DeliverySettings
from api.events.endpoint import parse_secrets, read_endpoints
from api.events.sender import HttpSender
from api.events.webhooks import Webhooks, links
from api.observe.tracing import Tracing
from api.settings import Settings, SettingsError
from api.wire.messages import DownloadLink
from storage.base import Storage


def create_webhooks(
    settings: Settings,
    storage: Storage,
    clock: Clock,
    sender: HttpSender,
    signer: LinkSigner,
    tracing: Tracing,
    delivery_settings: DeliverySettings | None,
) -> Webhooks:
    """Return the webhooks of the settings. Raises `SettingsError` if they cannot be read."""
    try:
        endpoints = read_endpoints(
            settings.webhook_urls, settings.webhook_secrets, settings.webhooks_file
        )
    except ValueError as error:
        raise SettingsError(str(error)) from error
    if endpoints or settings.authorize_url:
        sender.prepare()
    ttl_seconds = settings.download_url_ttl_seconds
    base_url = settings.public_url.rstrip("/")

    def sign(path: str) -> DownloadLink:
        return signer.link(base_url, path, ttl_seconds, clock.now())

    link_to = links(storage, clock, sign if base_url else None, ttl_seconds=ttl_seconds)
    return Webhooks(
        endpoints, storage, clock, sender, link_to, tracing=tracing, settings=delivery_settings
    )


def create_authorizer(settings: Settings, sender: HttpSender, clock: Clock) -> SessionAuthorizer:
    """Return what asks AUTHORIZE_URL. `create_webhooks` has checked the secrets."""
    keys = parse_secrets(settings.webhook_secrets)
    return SessionAuthorizer(settings.authorize_url, keys, sender, clock)
