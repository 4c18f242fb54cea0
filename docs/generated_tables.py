"""Markdown of the reference pages, made from the code: one function for each text."""

from collections.abc import Iterable, Sequence
from typing import Any

from api.app import create_app
from api.settings import Settings, describe
from api.wire.asyncapi import asyncapi_document
from api.wire.errors import INTERNAL, TABLE


def settings() -> str:
    """Return a table of all variables."""
    rows = [
        (f"`{each.variable}`", each.default and f"`{each.default}`", each.meaning)
        for each in describe(Settings())
    ]
    return _table(("variable", "default", "meaning"), rows)


def errors() -> str:
    """Return a table of all errors that a client can get."""
    # The first error of a code is the one of clients; those of the storage follow.
    found = {row.code: (row, error.__doc__) for error, row in reversed(TABLE.items())}
    found[INTERNAL.code] = (INTERNAL, None)
    rows = [
        (f"`{code}`", str(row.http_status), str(row.close_code), _line(row.error or meaning))
        for code, (row, meaning) in sorted(found.items())
    ]
    return _table(("code", "HTTP status", "close code", "meaning"), rows)


def messages() -> str:
    """Return a table of fields for each message of the WebSockets."""
    schemas = asyncapi_document()["components"]["schemas"]
    return "\n\n".join(_message(name, schema) for name, schema in schemas.items())


def operations() -> str:
    """Return a table of the HTTP operations."""
    document = create_app(Settings()).openapi_schema.to_schema()
    rows = [
        (f"`{method.upper()} {path}`", _line(operation.get("summary")), operation["operationId"])
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]
    return _table(("request", "what it does", "operation id"), rows)


def _message(name: str, schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    rows = [
        (
            f"`{field}`" + ("" if field in required else " (optional)"),
            _type(value),
            _line(_described(value).get("description")),
        )
        for field, value in schema["properties"].items()
    ]
    table = _table(("field", "type", "meaning"), rows)
    return f"## {name}\n\n{_line(schema.get('description'))}\n\n{table}"


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema, or the first of its alternatives."""
    return dict(schema.get("anyOf", [schema])[0])


def _type(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "$ref" in schema:
        return f"[{(name := schema['$ref'].rpartition('/')[2])}](#{name.lower()})"
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return str(schema.get("format") or schema.get("type", "any"))


def _line(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split()).replace("|", "\\|")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
