"""Signatures, checked with the library of the standard."""

import time

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from api.events.signature import new_secret, parse_secret, signed_headers

BODY = '{"text":"Zürich"}'.encode()


def test_receivers_with_either_secret_accept_a_message_while_secrets_rotate() -> None:
    new, old, other = (new_secret() for _ in range(3))
    keys = [parse_secret(new), parse_secret(old)]
    headers = signed_headers(keys, "an-id", int(time.time()), BODY)
    for secret in (new, old):
        assert Webhook(secret).verify(BODY, headers) == {"text": "Zürich"}
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(BODY, {**headers, "webhook-id": "another-id"})


def test_the_signature_is_that_of_the_specification() -> None:
    # The example in the documentation of the library.
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    headers = signed_headers(
        [parse_secret(secret)], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "begins with whsec_"),
        ("whsec_not base64!", "not Base64"),
        ("whsec_c2hvcnQ=", "24 to 64 bytes"),
        ("whsec_" + "A" * 100, "24 to 64 bytes"),
    ],
)
def test_a_secret_that_is_not_valid_is_refused_without_being_quoted(
    secret: str, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        parse_secret(secret)
    assert secret.removeprefix("whsec_") not in str(refused.value)
