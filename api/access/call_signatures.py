"""Signatures of platforms over the handshake of a WebSocket, with a secret of their account.

Twilio signs the URL that it was given (HMAC-SHA1 with the account's token, in X-Twilio-Signature:
https://www.twilio.com/docs/usage/security). Genesys Cloud signs the target, the host and headers of
the request (HMAC-SHA256, HTTP message signatures:
https://developer.genesys.cloud/devapps/audiohook/security). A proxy may change the URL, so
PUBLIC_URL says what the platform was given.
"""

import base64
import binascii
import hmac
import re
from urllib.parse import urlsplit

from litestar.datastructures import Headers
from litestar.types import Scope

from api.access.identity import Identity
from api.clock import Clock
from api.wire.errors import AuthenticationRequiredError, InvalidCredentialsError

CALL_PATHS = ("/api/ws/call", "/record/")

# Of a handshake that Twilio has signed.
TWILIO = Identity("twilio", frozenset({"ingest"}))

_GENESYS_MARK = "audiohook-session-id"
_GENESYS_HEADERS = ("audiohook-organization-id", _GENESYS_MARK, "audiohook-correlation-id")
_MAX_AGE_SECONDS = 10
_MIN_NONCE_CHARACTERS = 22
_LABEL = r"\s*([a-z*][a-z0-9_.*-]{0,63})="
_INPUT = re.compile(_LABEL + r'(\((?:"[^"]{1,64}" ?){1,16}\)[^,]{0,1024})\Z')
_COMPONENT = re.compile(r'"([^"]+)"')
_PARAMETER = re.compile(r';([a-z]+)=(?:"([^"]*)"|([0-9]+))')
_SECONDS = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(_LABEL + r":([A-Za-z0-9+/=]{1,128}):\Z")


class CallSignatures:
    """Checks the signatures of the platforms whose secret is set."""

    def __init__(
        self, public_url: str, clock: Clock, *, twilio_token: str = "", genesys_secret: str = ""
    ) -> None:
        """``genesys_secret`` is the client secret in base64, else it raises ``ValueError``."""
        self._public = urlsplit(public_url.rstrip("/"))
        self._clock = clock
        self._twilio_token = twilio_token.encode()
        try:
            self._genesys_secret = base64.b64decode(genesys_secret, validate=True)
        except binascii.Error as error:
            raise ValueError("GENESYS_CLIENT_SECRET is not base64") from error

    def identify(self, scope: Scope) -> Identity | None:
        """Return the identity of a signature of Twilio; None if there is none to be checked.

        Raises `InvalidCredentialsError` for a signature that is not valid, and
        `AuthenticationRequiredError` if Genesys Cloud has not signed. Its signature does not
        replace the API key, which it covers.
        """
        if not scope["path"].startswith(CALL_PATHS):
            return None
        headers = Headers.from_scope(scope)
        if self._genesys_secret and _GENESYS_MARK in headers:
            self._check_genesys(scope, headers)
        signature = headers.get("x-twilio-signature")
        if not self._twilio_token or signature is None:
            return None
        valid = [
            base64.b64encode(hmac.digest(self._twilio_token, url.encode(), "sha1"))
            for url in self._urls(scope)
        ]
        if not any(hmac.compare_digest(each, signature.encode()) for each in valid):
            raise InvalidCredentialsError
        return TWILIO

    def check_dialect(self, scope: Scope, dialect: str) -> None:
        """Raise `AuthenticationRequiredError` for an AudioHook that had to be signed and was not.

        Only the headers of a handshake show to :meth:`identify` that it is one.
        """
        is_audiohook = dialect == "audiohook"
        if self._genesys_secret and is_audiohook and _GENESYS_MARK not in Headers.from_scope(scope):
            raise AuthenticationRequiredError

    def _urls(self, scope: Scope) -> list[str]:
        """Return what Twilio may have signed: its own documents differ in scheme and last slash."""
        target = self._target(scope)
        path, separator, query = target.partition("?")
        paths = {path, path.rstrip("/"), path.rstrip("/") + "/"}
        return [
            f"{scheme}://{self._public.netloc}{each}{separator}{query}"
            for scheme in ("wss", "https")
            for each in sorted(paths)
        ]

    def _target(self, scope: Scope) -> str:
        """Return path and query as the platform has requested them."""
        query = scope["query_string"].decode("latin-1")
        path = scope["raw_path"].decode("latin-1")
        return f"{self._public.path}{path}" + (f"?{query}" if query else "")

    def _check_genesys(self, scope: Scope, headers: Headers) -> None:
        given = headers.get("signature-input"), headers.get("signature")
        if given[0] is None or given[1] is None:
            raise AuthenticationRequiredError
        signed, signature = _INPUT.match(given[0].strip()), _SIGNATURE.match(given[1].strip())
        if signed is None or signature is None or signed[1] != signature[1]:
            raise InvalidCredentialsError
        components, _, tail = signed[2].partition(")")
        names = _COMPONENT.findall(components)
        required = {"@request-target", "@authority", "x-api-key", *_GENESYS_HEADERS}
        values = dict(headers) | {
            "@request-target": self._target(scope),
            "@authority": self._public.netloc or headers.get("host", ""),
        }
        if not required <= set(names) or not set(names) <= set(values):
            raise InvalidCredentialsError
        self._check_parameters(
            {name: text or number for name, text, number in _PARAMETER.findall(tail)},
            headers.get("x-api-key", ""),
        )
        lines = [f'"{name}": {values[name]}' for name in names]
        lines.append(f'"@signature-params": {signed[2]}')
        expected = hmac.digest(self._genesys_secret, "\n".join(lines).encode(), "sha256")
        if not hmac.compare_digest(base64.b64encode(expected), signature[2].encode()):
            raise InvalidCredentialsError

    def _check_parameters(self, parameters: dict[str, str], api_key: str) -> None:
        now = self._clock.now().timestamp()
        created, expires = parameters.get("created", "0"), parameters.get("expires")
        if (
            parameters.get("alg", "hmac-sha256") != "hmac-sha256"
            or parameters.get("keyid") != api_key
            or len(parameters.get("nonce", "")) < _MIN_NONCE_CHARACTERS
            or not _SECONDS.fullmatch(created)
            or abs(now - int(created)) > _MAX_AGE_SECONDS
            or (expires is not None and not (_SECONDS.fullmatch(expires) and int(expires) >= now))
        ):
            raise InvalidCredentialsError
