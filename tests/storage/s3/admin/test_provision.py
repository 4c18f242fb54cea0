"""Preparing a bucket adds the rules of the service and keeps all others."""

from storage.s3 import BucketSettings, provision
from tests import engines

PAGE = "https://page.example"


async def prepare(settings: BucketSettings, *origins: str) -> list[str]:
    return [line async for line in provision(settings, list(origins))]


async def test_preparing_a_bucket_again_keeps_foreign_rules(moto_url: str) -> None:
    settings = BucketSettings(bucket="shared", prefix="a/", endpoint_url=moto_url)
    await prepare(settings, "https://old.example")
    s3 = engines.client(moto_url)
    theirs = {"ID": "theirs", "AllowedMethods": ["PUT"], "AllowedOrigins": ["https://b.example"]}
    rules = s3.get_bucket_cors(Bucket="shared")["CORSRules"]
    s3.put_bucket_cors(Bucket="shared", CORSConfiguration={"CORSRules": [*rules, theirs]})
    expiry = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "b/"},
              "Expiration": {"Days": 3}}  # fmt: skip
    rules = s3.get_bucket_lifecycle_configuration(Bucket="shared")["Rules"]
    s3.put_bucket_lifecycle_configuration(
        Bucket="shared", LifecycleConfiguration={"Rules": [*rules, expiry]}
    )
    assert (await prepare(settings, PAGE))[0] == "bucket shared is there"
    origins = [rule["AllowedOrigins"] for rule in s3.get_bucket_cors(Bucket="shared")["CORSRules"]]
    assert origins == [["https://b.example"], [PAGE]]
    rules = s3.get_bucket_lifecycle_configuration(Bucket="shared")["Rules"]
    assert [rule["ID"] for rule in rules] == [
        "theirs", "sercuescribe-uploads-a/", "sercuescribe-probes-a/",
    ]  # fmt: skip
    assert rules[1]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}


async def test_only_a_bucket_with_versioning_gets_rules_for_versions(moto_url: str) -> None:
    settings = BucketSettings(bucket="with-versions", prefix="a/", endpoint_url=moto_url)
    s3 = engines.client(moto_url)
    lines = [line async for line in provision(settings, [PAGE], 30)]
    assert lines[1].endswith("; the bucket has no versions")
    s3.put_bucket_versioning(Bucket="with-versions", VersioningConfiguration={"Status": "Enabled"})
    await prepare(settings, PAGE)
    rules = s3.get_bucket_lifecycle_configuration(Bucket="with-versions")["Rules"]
    assert [rule["Filter"]["Prefix"] for rule in rules] == [
        "a/",
        "a/_probe/",
        "a/_nodes/",
        "a/_outbox/",
        "a/_probe/",
    ]
    lines = [line async for line in provision(settings, [PAGE], 30)]
    assert lines[1].endswith("versions of deleted objects expire after 30 days")
    rules = s3.get_bucket_lifecycle_configuration(Bucket="with-versions")["Rules"]
    assert rules[-1]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    await prepare(settings, PAGE)
    assert s3.get_bucket_lifecycle_configuration(Bucket="with-versions")["Rules"][0] == rules[-1]
