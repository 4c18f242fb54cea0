"""The AsyncAPI document matches the messages that the service sends."""

import re
from typing import Any

import jsonschema
import pytest

from api.wire.asyncapi import asyncapi_document
from tests.audio import pcm
from tests.service import Message, Service

DOCUMENT = asyncapi_document()


def resolve(reference: str) -> Any:
    found: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for child in node.values() for found in references(child)]
    return (
        [found for child in node for found in references(child)] if isinstance(node, list) else []
    )


def check(message: Message) -> None:
    """Validate ``message`` against the schema that its ``type`` names."""
    name = f"{message['type'].capitalize()}Message"
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    jsonschema.validate(message, schema)


def test_every_reference_in_the_document_resolves() -> None:
    found = references(DOCUMENT)
    assert found
    assert all(resolve(reference) for reference in found)


def test_the_document_is_served_and_linked_from_the_documentation(service: Service) -> None:
    assert service.get("/asyncapi.json").json() == DOCUMENT
    assert "/asyncapi.json" in service.get("/docs").text


async def test_every_message_matches_its_schema(service: Service) -> None:
    async with service.session(sample_rate=8000) as client:
        check(client.greeting)
        check(await client.send(pcm(10)))
        check(await client.send(b"RIFF\0\0\0\0WAVEdata\0\0\0\0"))
        for action in ("status", "flush", "keep_alive", "nonsense", "close_session"):
            check(await client.control(action))


@pytest.mark.parametrize("code", ["1000", "1001", "1008", "1009", "1011", "1012", "1013", "4103"])
def test_every_close_code_is_described(code: str) -> None:
    assert re.search(rf"\b{code} (after|when) ", DOCUMENT["info"]["description"])
