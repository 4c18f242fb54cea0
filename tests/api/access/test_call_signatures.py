"""Signatures of platforms are those that their own libraries make."""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from api.access.call_signatures import CallSignatures
from api.access.identity import INGEST_ONLY
from api.wire.errors import AuthenticationRequiredError, InvalidCredentialsError
from tests.conftest import ManualClock

# Twilio's own example: what is signed, the token, the signature.
SIGNED = (
    "https://mycompany.com/myapp.php?foo=1&bar=2"
    "CallSidCA1234567890ABCDECaller+14158675309Digits1234From+14158675309To+18005551212"
)
SIGNATURE = "RSOYDt4T1cUTdK1PDd93/VVr8B8="

SECRET = base64.b64encode(bytes(range(32))).decode()
NOW = 1_767_225_600  # of the manual clock


def scope(path: str, query: str = "", **headers: str) -> Any:
    listed = [
        (name.replace("_", "-").encode(), value.encode("latin-1"))
        for name, value in headers.items()
    ]
    return {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": listed,
    }


def sha1(token: str, url: str) -> str:
    return base64.b64encode(hmac.digest(token.encode(), url.encode(), hashlib.sha1)).decode()


def test_the_algorithm_is_that_of_the_example_of_twilio() -> None:
    assert sha1("12345", SIGNED) == SIGNATURE


@pytest.mark.parametrize("signed", ["wss://rec.example/base/api/ws/call/twilio"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_handshake_that_twilio_has_signed_may_create_calls(
    clock: ManualClock, signed: str, slash: str
) -> None:
    checks = CallSignatures("https://rec.example/base/", clock, twilio_token="t0k3n")
    made = sha1("t0k3n", signed + slash)
    identity = checks.identify(scope("/api/ws/call/twilio", x_twilio_signature=made))
    assert identity is not None
    assert (identity.user, identity.scopes) == ("twilio", INGEST_ONLY)
    with pytest.raises(InvalidCredentialsError):
        checks.identify(scope("/api/ws/call/signalwire", x_twilio_signature=made))
    assert checks.identify(scope("/api/ws/call/twilio")) is None
    assert checks.identify(scope("/api/audio/sessions", x_twilio_signature="x")) is None


def test_no_signature_is_taken_without_a_token(clock: ManualClock) -> None:
    made = sha1("", "wss://rec.example/api/ws/call")
    checks = CallSignatures("https://rec.example", clock)
    assert checks.identify(scope("/api/ws/call", x_twilio_signature=made)) is None


def genesys(secret: str = SECRET, **changed: Any) -> dict[str, str]:
    """Return the headers of a handshake, signed as the client of Genesys does it."""
    headers = {
        "audiohook_organization_id": "d7934305",
        "audiohook_session_id": "e160e428",
        "audiohook_correlation_id": "e160e428",
        "x_api_key": "SGVsbG8",
    }
    names = ["@request-target", "@authority", *(name.replace("_", "-") for name in headers)]
    values = {"created": NOW, "expires": NOW + 30, "nonce": "VGhpc0lzQVVuaXF1ZU5vbmNl"} | changed
    listed = " ".join(f'"{name}"' for name in names)
    tail = (
        f'({listed});keyid="{values.get("keyid", "SGVsbG8")}";nonce="{values["nonce"]}"'
        f';alg="hmac-sha256";created={values["created"]};expires={values["expires"]}'
    )
    parts = {"@request-target": "/api/ws/call/audiohook", "@authority": "rec.example"}
    parts |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f'"{name}": {parts[name]}' for name in names]
    base = "\n".join([*lines, f'"@signature-params": {tail}'])
    made = hmac.digest(base64.b64decode(secret), base.encode(), hashlib.sha256)
    signature = base64.b64encode(made).decode()
    return headers | {"signature_input": f"sig1={tail}", "signature": f"sig1=:{signature}:"}


def test_a_handshake_that_genesys_has_signed_passes(clock: ManualClock) -> None:
    checks = CallSignatures("https://rec.example", clock, genesys_secret=SECRET)
    # It does not replace the API key, which it covers.
    assert checks.identify(scope("/api/ws/call/audiohook", **genesys())) is None


@pytest.mark.parametrize(
    "headers",
    [
        genesys(secret=base64.b64encode(bytes(32)).decode()),
        genesys(created=NOW - 11),
        genesys(created=NOW + 11),
        genesys(expires=NOW - 1),
        genesys(nonce="short"),
        genesys(keyid="another"),
        genesys() | {"x_api_key": "another"},
        genesys() | {"signature": "sig1=:AAAA:"},
        genesys() | {"signature": "x" * 5000},
        genesys() | {"signature_input": 'sig1=("@request-target");created=' + str(NOW)},
        genesys() | {"signature_input": "(" * 5000},
        genesys(created='"\u00b2"'),
        genesys(created="9" * 400),
        genesys(expires='"\u00b2"'),
    ],
)
def test_another_signature_of_genesys_is_refused(
    clock: ManualClock, headers: dict[str, str]
) -> None:
    checks = CallSignatures("https://rec.example", clock, genesys_secret=SECRET)
    with pytest.raises(InvalidCredentialsError):
        checks.identify(scope("/api/ws/call/audiohook", **headers))


def test_the_time_to_refuse_a_signature_is_linear_in_its_length(clock: ManualClock) -> None:
    checks = CallSignatures("https://rec.example", clock, genesys_secret=SECRET)
    spaces = " " * 30_000
    padded = genesys() | {"signature_input": f'sig1=("x"){spaces}x'}

    def refuse() -> None:
        with pytest.raises(InvalidCredentialsError):
            checks.identify(scope("/api/ws/call/audiohook", **padded))

    def seconds_of(act: Callable[[], object]) -> float:
        began = time.thread_time()
        act()
        return time.thread_time() - began

    # Much less than to look at each character a few hundred times.
    least = min(seconds_of(refuse) for _ in range(3))
    assert least < 100 * min(seconds_of(lambda: re.match(r"\s*x", spaces)) for _ in range(3))


def test_audiohook_without_a_signature_is_refused_if_the_secret_is_set(clock: ManualClock) -> None:
    checks = CallSignatures("https://rec.example", clock, genesys_secret=SECRET)
    with pytest.raises(AuthenticationRequiredError):
        checks.identify(scope("/api/ws/call", audiohook_session_id="1", x_api_key="k"))


def test_a_secret_that_is_not_base64_is_refused(clock: ManualClock) -> None:
    with pytest.raises(ValueError, match="GENESYS_CLIENT_SECRET"):
        CallSignatures("https://rec.example", clock, genesys_secret="*")
