"""The settings of authentication, rate limits and signatures; `api.settings` reads them."""

import functools
from collections.abc import Callable, Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from api.access.hosts import AllowedHosts
from api.access.origins import AllowedOrigins
from api.access.proxies import TrustedProxies
from api.access.signing import check_secret
from storage.receipt_key import parse_key

# `sercuescribe settings` prints "(set)" instead of these values.
SECRETS = {"signing_secret", "signing_secret_previous", "api_keys", "jwt_secret"} | {
    "twilio_auth_token",
    "genesys_client_secret",
    "receipt_key",
}


class AccessSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How callers authenticate, and which requests are refused before a handler runs."""

    auth_mode: Annotated[
        Literal["", "none", "api_key", "jwt"],
        Meta(
            description="How callers authenticate; empty: not at all, and the service listens "
            "on loopback only"
        ),
    ] = ""
    api_keys: Annotated[
        str, Meta(description="API keys as printed by sercuescribe key, separated by semicolons")
    ] = ""
    api_keys_file: Annotated[
        str,
        Meta(
            description="File with one API key per line, as printed by sercuescribe key; "
            "reloaded on change"
        ),
    ] = ""
    jwt_secret: Annotated[
        str, Meta(description="Secret that signs HS256 tokens, at least 32 bytes")
    ] = ""
    jwt_jwks: Annotated[
        str, Meta(description="File or URL of the JWKS with the keys of RS256 and ES256 tokens")
    ] = ""
    jwt_issuer: Annotated[str, Meta(description="Required issuer of a token (iss)")] = ""
    jwt_audience: Annotated[str, Meta(description="Required audience of a token (aud)")] = ""
    session_token_ttl_seconds: Annotated[
        int, Meta(description="Lifetime of a session token", ge=1)
    ] = 900
    allowed_origins: Annotated[
        str,
        Meta(
            description="Other origins whose pages and apps may use the service, separated by "
            "commas, such as https://app.example, https://*.app.example or capacitor://localhost; "
            "* for all",
        ),
    ] = ""
    allowed_hosts: Annotated[
        str,
        Meta(
            description="Host names under which clients reach a service without authentication, "
            "besides addresses, names without a dot and the hosts of PUBLIC_URL and NODE_URL; "
            "separated by commas, such as rec.example or *.example; * for all",
        ),
    ] = ""
    trusted_proxies: Annotated[
        str,
        Meta(
            description="Addresses or networks of proxies, separated by commas, whose "
            "X-Forwarded-For header names the client; * for every peer, then its last address "
            "counts"
        ),
    ] = ""
    max_handshakes_per_minute: Annotated[
        int, Meta(description="WebSocket handshakes per minute and client; 0: no limit", ge=0)
    ] = 600
    max_new_sessions_per_minute: Annotated[
        int,
        Meta(
            description="New sessions per minute and user, or per client without users; 0: no "
            "limit",
            ge=0,
        ),
    ] = 120
    handshake_timeout_seconds: Annotated[
        float, Meta(description="Time within which a complete request must arrive", gt=0)
    ] = 10.0
    max_pending_requests: Annotated[
        int,
        Meta(
            description="Connections whose request is incomplete; one more closes the oldest", ge=1
        ),
    ] = 1000
    signing_secret: Annotated[
        str,
        Meta(
            description="Secret that signs download links and session tokens, at least 32 bytes; "
            "empty: generated and stored beside the recordings"
        ),
    ] = ""
    signing_secret_previous: Annotated[
        str,
        Meta(
            description="Previous SIGNING_SECRET; its links and tokens stay valid until they expire"
        ),
    ] = ""

    twilio_auth_token: Annotated[
        str,
        Meta(
            description="Auth token of the Twilio account that signs the handshakes of its calls; "
            "needs PUBLIC_URL"
        ),
    ] = ""
    genesys_client_secret: Annotated[
        str,
        Meta(
            description="Client secret, in base64, of the Genesys AudioHook integration; without "
            "its signature AudioHook is refused; needs PUBLIC_URL"
        ),
    ] = ""

    receipt_key: Annotated[
        str,
        Meta(
            description="Private key that signs receipts, 64 hexadecimal digits; empty: generated "
            "and stored beside the recordings, with s3 receipts are not signed"
        ),
    ] = ""
    receipt_public_keys: Annotated[
        str,
        Meta(
            description="Public keys of earlier receipt keys, in hexadecimal, separated by commas: "
            "their receipts stay valid"
        ),
    ] = ""

    @property
    def requires_credentials(self) -> bool:
        """Return whether callers must authenticate."""
        return self.auth_mode in {"api_key", "jwt"}

    @property
    def signing_secrets(self) -> tuple[bytes, ...]:
        """Return SIGNING_SECRET, then the previous one if it is still accepted; or nothing."""
        if not self.signing_secret:
            return ()
        secrets = (self.signing_secret, self.signing_secret_previous)
        return tuple(secret.encode() for secret in secrets if secret)

    @property
    def listed_origins(self) -> list[str]:
        return _entries(self.allowed_origins)

    @property
    def listed_proxies(self) -> list[str]:
        return _entries(self.trusted_proxies)

    @property
    def listed_receipt_keys(self) -> list[str]:
        return _entries(self.receipt_public_keys)

    @property
    def listed_hosts(self) -> list[str]:
        return _entries(self.allowed_hosts)

    def invalid_access_settings(self) -> Iterator[tuple[str, str]]:
        """Yield each variable whose value is not valid, with the reason."""
        checks: dict[str, Callable[[], object]] = {
            "ALLOWED_ORIGINS": lambda: AllowedOrigins(self.listed_origins),
            "ALLOWED_HOSTS": lambda: AllowedHosts(self.listed_hosts),
            "TRUSTED_PROXIES": lambda: TrustedProxies(self.listed_proxies),
            "RECEIPT_KEY": lambda: self.receipt_key and parse_key(self.receipt_key),
            "RECEIPT_PUBLIC_KEYS": lambda: [parse_key(key) for key in self.listed_receipt_keys],
        }
        for variable in ("JWT_SECRET", "SIGNING_SECRET", "SIGNING_SECRET_PREVIOUS"):
            if secret := getattr(self, variable.lower()).encode():
                checks[variable] = functools.partial(check_secret, secret)
        for variable, check in checks.items():
            try:
                check()
            except ValueError as error:
                yield variable, str(error)

    def missing_access_settings(self, *, is_shared: bool) -> str:
        """Return the variables that AUTH_MODE requires and that are not set, as text; or "".

        ``is_shared``: several nodes share a bucket.
        """
        if self.auth_mode == "api_key" and not (self.api_keys or self.api_keys_file):
            return "API_KEYS or API_KEYS_FILE"
        if self.auth_mode == "jwt":
            if bool(self.jwt_secret) == bool(self.jwt_jwks):
                return "either JWT_SECRET or JWT_JWKS"
            if not (self.jwt_issuer and self.jwt_audience):
                return "JWT_ISSUER and JWT_AUDIENCE"
        if self.requires_credentials and is_shared and not self.signing_secret:
            # Without it each node generates its own secret and refuses the signatures of the
            # other nodes.
            return "SIGNING_SECRET with a bucket"
        return ""


def _entries(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
