"""The settings of who may come in; `api.settings` reads them with all others."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

# Never printed.
SECRETS = {"signing_secret", "signing_secret_previous", "api_keys", "jwt_secret"}


class AccessSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How callers say who they are, and what is refused at the door."""

    auth_mode: Annotated[
        Literal["", "none", "api_key", "jwt"],
        Meta(description="Who may come in; empty: everybody, and only on a loopback address"),
    ] = ""
    api_keys: Annotated[
        str, Meta(description="Keys as sercuescribe key prints them, separated by semicolons")
    ] = ""
    api_keys_file: Annotated[
        str, Meta(description="File with a key per line; read again whenever it changes")
    ] = ""
    jwt_secret: Annotated[str, Meta(description="Secret of HS256 tokens")] = ""
    jwt_jwks: Annotated[
        str, Meta(description="File or URL of the keys of RS256 and ES256 tokens (JWKS)")
    ] = ""
    jwt_issuer: Annotated[str, Meta(description="Who must have issued a token (iss)")] = ""
    jwt_audience: Annotated[str, Meta(description="Whom a token must be meant for (aud)")] = ""
    session_token_ttl_seconds: Annotated[
        int, Meta(description="How long a session token opens a connection", ge=1)
    ] = 900
    allowed_origins: Annotated[
        str,
        Meta(
            pattern=r"^(\*|(https?://[^/?#,\s]+(,\s*https?://[^/?#,\s]+)*)?)$",
            description="Origins of other sites whose pages may use the service; * for all",
        ),
    ] = ""
    trusted_proxies: Annotated[
        str,
        Meta(description="Addresses or networks whose X-Forwarded-For names the client"),
    ] = ""
    max_handshakes_per_minute: Annotated[
        int, Meta(description="WebSocket handshakes of one client; 0: any number", ge=0)
    ] = 600
    max_new_sessions_per_minute: Annotated[
        int, Meta(description="Sessions that one user or client creates; 0: any number", ge=0)
    ] = 120
    handshake_timeout_seconds: Annotated[
        float, Meta(description="A request must have arrived after this", gt=0)
    ] = 10.0
    max_pending_requests: Annotated[
        int,
        Meta(
            description="Connections whose request has not arrived; one more ends the oldest", ge=1
        ),
    ] = 1000
    signing_secret: Annotated[
        str,
        Meta(
            description="Signs download links and session tokens; empty: one is made and kept "
            "beside the recordings"
        ),
    ] = ""
    signing_secret_previous: Annotated[
        str, Meta(description="What it was before: its links and tokens work until they end")
    ] = ""

    @property
    def is_locked(self) -> bool:
        """Whether callers must say who they are."""
        return self.auth_mode in {"api_key", "jwt"}

    @property
    def origins(self) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.allowed_origins.split(",") if part.strip())

    def missing_of_access(self, *, is_shared: bool) -> str:
        """What the mode needs and does not have, in a bucket that nodes share or not."""
        if self.auth_mode == "api_key" and not (self.api_keys or self.api_keys_file):
            return "API_KEYS or API_KEYS_FILE"
        if self.auth_mode == "jwt":
            if bool(self.jwt_secret) == bool(self.jwt_jwks):
                return "either JWT_SECRET or JWT_JWKS"
            if not (self.jwt_issuer and self.jwt_audience):
                return "JWT_ISSUER and JWT_AUDIENCE"
        if self.is_locked and is_shared and not self.signing_secret:
            # Each node would make its own, and none would open what another has signed.
            return "SIGNING_SECRET with a bucket"
        return ""
