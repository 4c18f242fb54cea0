"""The URL of a request is found once, whatever the key."""

from typing import Any

import botocore.session
import pytest
from botocore.endpoint_provider import EndpointProvider, RuleSet, RuleSetEndpoint

from storage.s3.client.bucket import Bucket, BucketSettings
from storage.s3.client.endpoint_rules import trimmed
from tests.faults import FaultyStore
from tests.s3_requests import is_a


def parameters(*names: str) -> dict[str, object]:
    return {name: {"type": "String"} for name in names}


def test_parameters_that_a_rule_refers_to_stay() -> None:
    rules = [
        {"conditions": [{"fn": "isSet", "argv": [{"ref": "Bucket"}]}]},
        {"endpoint": {"url": "https://{Region}.example/{Url#path}"}},
    ]
    rule_set = {"version": "1.0", "parameters": parameters("Bucket", "Key", "Region", "Url")}
    found = trimmed({**rule_set, "rules": rules})
    assert found == {
        "version": "1.0",
        "parameters": parameters("Bucket", "Region", "Url"),
        "rules": rules,
    }
    assert "Key" in rule_set["parameters"]


def test_the_rules_for_s3_give_the_same_urls_without_the_parameters_that_they_do_not_read() -> None:
    loader = botocore.session.get_session().get_component("data_loader")
    rule_set = loader.load_service_model("s3", "endpoint-rule-set-1")
    partitions = loader.load_data("partitions")
    assert set(rule_set["parameters"]) - set(trimmed(rule_set)["parameters"]) == {
        "Key",
        "Prefix",
        "CopySource",
    }

    def url(rules: dict[str, object], **given: object) -> RuleSetEndpoint:
        return EndpointProvider(rules, partitions).resolve_endpoint(**given)

    for given in (
        {"Region": "eu-west-1", "Bucket": "takes"},
        {"Region": "eu-west-1", "Bucket": "takes", "ForcePathStyle": True},
        {"Region": "eu-west-1", "Bucket": "takes", "UseDualStack": True},
        {"Region": "us-east-1", "Bucket": "takes", "Endpoint": "http://127.0.0.1:9000"},
        {"Region": "us-east-1", "Bucket": "arn:aws:s3:us-east-1:123456789012:accesspoint/takes"},
    ):
        assert url(trimmed(rule_set), **given) == url(rule_set, **given, Key="a", Prefix="b")


async def test_requests_for_many_keys_evaluate_the_rules_once(
    settings: BucketSettings, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated: list[Any] = []
    evaluate = RuleSet.evaluate

    def counted(rules: RuleSet, given: Any) -> Any:
        evaluated.append(given)
        return evaluate(rules, given)

    monkeypatch.setattr(RuleSet, "evaluate", counted)
    bucket = Bucket(settings)
    await bucket.start()
    try:
        for number in range(3):
            await bucket.put(f"key-{number}", b"content")
    finally:
        await bucket.stop()
    agents = {each.headers["user-agent"] for each in filter(is_a("PutObject"), store.requests)}
    (agent,) = agents
    assert agent.startswith("sercuescribe/")
    assert len(evaluated) == 1
