"""The rules by which botocore finds the URL of a request, without what they do not read.

botocore evaluates a set of rules for each request and keeps the last 100 results, by the parameters
that the set declares ("endpoint-rule-set-1.json" in botocore). The one of S3 declares the key of
the object, and no rule refers to it: a request for another key was evaluated anew, which took a
fifth of the CPU of a put.
"""

import json
from typing import Any

_RULE_SET = "endpoint-rule-set-1"


def trim_endpoint_rules(session: Any) -> None:
    """Let the clients of a botocore session have rule sets with only the parameters in use."""
    loader = session.get_component("data_loader")
    session.register_component("data_loader", _TrimmingLoader(loader))


class _TrimmingLoader:
    """The loader of botocore's data."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def load_service_model(self, service: str, kind: str, api_version: str | None = None) -> Any:
        found = self._loader.load_service_model(service, kind, api_version)
        return trimmed(found) if kind == _RULE_SET else found


def trimmed(rule_set: dict[str, Any]) -> dict[str, Any]:
    """Return the rule set without the parameters that no rule refers to.

    A rule refers to one as ``{"ref": "Name"}``, or in a string as ``{Name}`` or ``{Name#part}``.
    """
    rules = json.dumps(rule_set["rules"])
    parameters = {
        name: parameter
        for name, parameter in rule_set["parameters"].items()
        if f'"{name}"' in rules or f"{{{name}}}" in rules or f"{{{name}#" in rules
    }
    return {**rule_set, "parameters": parameters}
