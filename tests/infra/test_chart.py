"""The Helm chart renders valid objects that keep what its README says."""

import json
import re
import runpy
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from cloudcoil.models.prometheus_operator import v1 as prometheus_operator

from api.access.settings import SECRETS
from api.settings import Settings, describe
from tests.infra.chart import CHART, ROOT, Object, container, helm, one, render, variables

KUBERNETES_VERSIONS = ["1.27.0", "1.37.0"]
BUCKET: Object = {"settings": {"S3_BUCKET": "recordings"}}
LOCAL: Object = {"storage": {"backend": "local"}}
_METRICS: Object = {
    "metrics": {
        "enabled": True,
        "serviceMonitor": {"enabled": True, "labels": {"release": "monitoring"}},
        "prometheusRule": {"enabled": True},
    }
}
_JWT = {"JWT_ISSUER": "https://id.example/", "JWT_AUDIENCE": "recorder"}

VALUES: dict[str, Object] = {
    "bucket": BUCKET,
    "calls that are signed": {
        "settings": BUCKET["settings"] | {"PUBLIC_URL": "https://rec.example"},
        "calls": {
            "twilio": {"existingSecret": "twilio"},
            "genesys": {"existingSecret": "genesys", "key": "client-secret"},
        },
    },
    "local": LOCAL,
    "local with a signing key of its own": LOCAL | {"signing": {"existingSecret": ""}},
    "no persistent spool": BUCKET | {"storage": {"volume": {"persistent": False, "size": "5Gi"}}},
    "everything": BUCKET
    | _METRICS
    | {
        "image": {"tag": "1.2.3@sha256:" + "0" * 64, "pullSecrets": [{"name": "registry"}]},
        "autoscaling": {"enabled": True, "maxReplicas": 4},
        "networkPolicy": {
            "enabled": True,
            "clients": [{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}],
            "scrapers": [{"namespaceSelector": {}}],
            "egressPorts": [443, 8333],
        },
        "bucketInit": {"enabled": True, "origins": ["https://app.example"], "versionDays": 7},
        "ingress": {
            "enabled": True,
            "className": "nginx",
            "hosts": ["rec.example", "*.rec.example"],
            "tls": [{"secretName": "rec-tls", "hosts": ["rec.example"]}],
        },
        "storage": {"volume": {"storageClass": "fast"}},
        "s3": {"existingSecret": "bucket"},
        "extraEnv": [{"name": "AWS_CA_BUNDLE", "value": "/etc/authority/ca.crt"}],
        "extraVolumes": [{"name": "authority", "configMap": {"name": "authority"}}],
        "extraVolumeMounts": [
            {"name": "authority", "mountPath": "/etc/authority", "readOnly": True}
        ],
        "podLabels": {"team": "audio"},
        "podAnnotations": {"note": "yes"},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "audio", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "high",
        "service": {"type": "LoadBalancer", "annotations": {"internal": "true"}},
    },
    "workload identity": BUCKET
    | {
        "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/r"}},
        "bucketInit": {"enabled": True},
    },
    "an existing service account": BUCKET
    | {"serviceAccount": {"create": False, "name": "mine"}, "bucketInit": {"enabled": True}},
    "no authentication": BUCKET | {"auth": {"mode": "none"}},
    "tokens by key set": {
        "settings": BUCKET["settings"] | _JWT | {"JWT_JWKS": "https://id.example/jwks.json"},
        "auth": {"mode": "jwt"},
    },
    "tokens by secret": {
        "settings": BUCKET["settings"] | _JWT,
        "auth": {"mode": "jwt", "jwt": {"existingSecret": "jwt"}},
    },
    "webhooks and several workers": {
        "settings": BUCKET["settings"] | {"WEBHOOK_URLS": "https://app.example/", "WORKERS": 2},
        "webhooks": {"existingSecret": "hooks"},
    },
    "a file of webhooks": BUCKET
    | {"auth": {"mode": "none"}, "webhooks": {"file": {"existingSecret": "f", "key": "h.toml"}}},
    "a user of the platform": BUCKET
    | {"podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None}},
    "IPv6": BUCKET | _METRICS | {"listenHost": "::"},
    "bare": BUCKET
    | {"replicas": 1, "resources": None, "topologySpreadConstraints": [], "fullnameOverride": "x"},
}

REFUSED: dict[str, tuple[Object, str]] = {
    "no bucket": ({}, "S3_BUCKET"),
    "no common secret of the nodes": (BUCKET | {"signing": {"existingSecret": ""}}, "signing"),
    "webhooks without a secret that signs them": (
        {"settings": BUCKET["settings"] | {"WEBHOOK_URLS": "https://app.example/hooks"}},
        "existingSecret",
    ),
    "a secret of webhooks among the settings": (
        {"settings": {"WEBHOOK_SECRETS": "whsec_x"}},
        "WEBHOOK_SECRETS",
    ),
    "a path of webhooks among the settings": (
        {"settings": {"WEBHOOKS_FILE": "/x.toml"}},
        "WEBHOOKS_FILE",
    ),
    "a key of a file of webhooks that leads elsewhere": (
        BUCKET | {"webhooks": {"file": {"existingSecret": "f", "key": "../x"}}},
        "key",
    ),
    "signed calls without the address that is signed": (
        BUCKET | {"calls": {"twilio": {"existingSecret": "twilio"}}},
        "PUBLIC_URL",
    ),
    "an unknown value": (BUCKET | {"replicaCount": 3}, "replicaCount"),
    "a secret among the settings": ({"settings": {"SIGNING_SECRET": "x"}}, "SIGNING_SECRET"),
    "a setting that the chart computes": ({"settings": {"NODE_URL": "x"}}, "NODE_URL"),
    "an unknown way to authenticate": (BUCKET | {"auth": {"mode": "off"}}, "auth/mode"),
    "tokens without an issuer": (BUCKET | {"auth": {"mode": "jwt"}}, "JWT_ISSUER"),
    "recordings on an emptyDir": (
        {"storage": {"backend": "local", "volume": {"persistent": False}}},
        "persistent",
    ),
    "a size without a unit of Kubernetes": (
        BUCKET | {"storage": {"volume": {"size": "20 GB"}}},
        "volume/size",
    ),
    "several writers of one folder": (
        LOCAL | _METRICS | {"autoscaling": {"enabled": True}},
        "autoscaling",
    ),
    "autoscaling without metrics": (BUCKET | {"autoscaling": {"enabled": True}}, "metrics"),
    "a monitor without metrics": (
        BUCKET | {"metrics": {"serviceMonitor": {"enabled": True}}},
        "metrics/enabled",
    ),
    "an Ingress without hosts": (BUCKET | {"ingress": {"enabled": True}}, "ingress/hosts"),
    "less time to stop than the service needs": (
        BUCKET | {"shutdown": {"stopSeconds": 5}},
        "stopSeconds",
    ),
    "no nodes": (BUCKET | {"replicas": 0}, "replicas"),
    "a second volume for the spool": (
        BUCKET | {"extraVolumes": [{"name": "spool", "emptyDir": {}}]},
        "extraVolumes",
    ),
    "a mount over the spool": (
        BUCKET | {"extraVolumeMounts": [{"name": "x", "mountPath": "/app/audio_sessions"}]},
        "extraVolumeMounts",
    ),
}


@pytest.mark.parametrize("name", ["bucket", "local", "everything"])
def test_helm_finds_no_fault(name: str) -> None:
    linted = helm("lint", "--strict", str(CHART), values=VALUES[name])
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize("name", VALUES)
def test_every_object_is_valid_in_two_versions_of_kubernetes(name: str) -> None:
    objects = render(VALUES[name])
    named = [(each["kind"], each["metadata"]["name"]) for each in objects]
    assert len(named) == len(set(named))
    for each in objects:
        if each["apiVersion"].startswith("monitoring.coreos.com/"):
            assert_valid_for_the_operator(each)
        else:
            for version in KUBERNETES_VERSIONS:
                kubernetes_validate.validate(each, version, strict=True)


def assert_valid_for_the_operator(found: Object) -> None:
    """Fail if the Prometheus operator's model refuses the object or does not know a field."""
    model = getattr(prometheus_operator, found["kind"]).model_validate(found)
    known = json.loads(model.model_dump_json(by_alias=True, exclude_unset=True))
    assert known == found


@pytest.mark.parametrize("name", REFUSED)
def test_contradictions_are_refused(name: str) -> None:
    values, text = REFUSED[name]
    with pytest.raises(ValueError, match=re.escape(text)):
        render(values)


def test_the_nodes_start_at_once_and_reach_each_other_by_name() -> None:
    objects = render(BUCKET)
    nodes = one(objects, "StatefulSet")
    headless = one(objects, "Service", "-nodes")
    assert nodes["spec"]["podManagementPolicy"] == "Parallel"
    assert nodes["spec"]["serviceName"] == headless["metadata"]["name"]
    assert headless["spec"]["clusterIP"] == "None"
    assert headless["spec"]["publishNotReadyAddresses"] is True
    name = headless["metadata"]["name"]
    expected = f"http://$(POD_NAME).{name}.audio.svc.cluster.local:8000"
    assert variables(objects)["NODE_URL"] == expected
    selected = nodes["spec"]["template"]["metadata"]["labels"].items()
    for service in (headless, one(objects, "Service", "sercuescribe")):
        assert service["spec"]["selector"].items() <= selected


@pytest.mark.parametrize("release", ["rec.audio", "2026-rec", "r" * 53, "sercuescribe", "a"])
def test_every_name_is_a_label_of_dns_for_any_release(release: str) -> None:
    for each in render(VALUES["everything"], release):
        assert re.fullmatch(r"[a-z][-a-z0-9]{0,61}[a-z0-9]", each["metadata"]["name"])


def test_the_command_is_that_of_the_image() -> None:
    (command,) = re.findall(r"^CMD (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert container(render(BUCKET))["args"] == json.loads(command)


def test_local_storage_forces_one_node() -> None:
    objects = render(LOCAL | {"replicas": 5})
    assert one(objects, "StatefulSet")["spec"]["replicas"] == 1
    assert "PodDisruptionBudget" not in {each["kind"] for each in objects}


def test_the_autoscaler_alone_sets_the_number_of_nodes() -> None:
    objects = render(VALUES["everything"])
    assert "replicas" not in one(objects, "StatefulSet")["spec"]
    autoscaler = one(objects, "HorizontalPodAutoscaler")["spec"]
    assert (autoscaler["minReplicas"], autoscaler["maxReplicas"]) == (2, 4)
    (metric,) = autoscaler["metrics"]
    assert metric["pods"] == {
        "metric": {"name": "sercuescribe_sessions_live"},
        "target": {"type": "AverageValue", "averageValue": "70"},
    }


def test_a_node_has_the_time_that_it_needs_to_stop() -> None:
    pod = one(render(BUCKET), "StatefulSet")["spec"]["template"]["spec"]
    (_, seconds) = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert pod["terminationGracePeriodSeconds"] >= int(seconds) + 10


def test_no_probe_depends_on_the_store() -> None:
    nodes = container(render(BUCKET))
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert nodes[probe]["httpGet"] == {"path": "/health", "port": "http"}


def test_api_keys_are_mounted_so_that_kubernetes_updates_them() -> None:
    objects = render(BUCKET)
    (mount,) = (each for each in container(objects)["volumeMounts"] if each["name"] == "api-keys")
    assert "subPath" not in mount
    assert variables(objects)["API_KEYS_FILE"] == f"{mount['mountPath']}/keys"


def test_all_nodes_have_one_signing_secret() -> None:
    reference = {"name": "sercuescribe-signing", "key": "signing-secret"}
    assert variables(render(BUCKET))["SIGNING_SECRET"] == {"secretKeyRef": reference}
    assert "SIGNING_SECRET" not in variables(render(VALUES["local with a signing key of its own"]))


def test_the_secrets_of_webhooks_come_from_a_secret() -> None:
    reference = {"name": "hooks", "key": "webhook-secrets"}
    found = variables(render(VALUES["webhooks and several workers"]))
    assert found["WEBHOOK_SECRETS"] == {"secretKeyRef": reference}
    assert found["WORKERS"] == "2"
    assert "WEBHOOK_SECRETS" not in variables(render(BUCKET))


def test_a_file_of_webhooks_is_mounted_from_a_secret() -> None:
    objects = render(VALUES["a file of webhooks"])
    (mount,) = (each for each in container(objects)["volumeMounts"] if each["name"] == "webhooks")
    assert variables(objects)["WEBHOOKS_FILE"] == f"{mount['mountPath']}/h.toml"
    assert mount["readOnly"]
    pod = one(objects, "StatefulSet")["spec"]["template"]["spec"]
    (volume,) = (each for each in pod["volumes"] if each["name"] == "webhooks")
    assert volume["secret"] == {"secretName": "f", "items": [{"key": "h.toml", "path": "h.toml"}]}
    assert "WEBHOOKS_FILE" not in variables(render(BUCKET))


def test_all_nodes_sign_receipts_with_one_key() -> None:
    found = variables(render(BUCKET | {"receipts": {"existingSecret": "receipts"}}))
    assert found["RECEIPT_KEY"] == {"secretKeyRef": {"name": "receipts", "key": "receipt-key"}}
    assert "RECEIPT_KEY" not in variables(render(BUCKET))


def test_the_signatures_of_calls_are_checked_with_secrets() -> None:
    found = variables(render(VALUES["calls that are signed"]))
    twilio, genesys = found["TWILIO_AUTH_TOKEN"], found["GENESYS_CLIENT_SECRET"]
    assert twilio == {"secretKeyRef": {"name": "twilio", "key": "twilio-auth-token"}}
    assert genesys == {"secretKeyRef": {"name": "genesys", "key": "client-secret"}}
    assert not {"TWILIO_AUTH_TOKEN", "GENESYS_CLIENT_SECRET"} & set(variables(render(BUCKET)))


def test_no_secret_of_the_service_is_a_plain_setting() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    reserved = schema["properties"]["settings"]["propertyNames"]["not"]["enum"]
    assert {name.upper() for name in SECRETS} <= set(reserved)


def test_the_pods_meet_the_restricted_profile() -> None:
    objects = render(VALUES["everything"])
    for kind in ("StatefulSet", "Job"):
        pod = one(objects, kind)["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for each in pod["containers"]:
            assert each["securityContext"] == {
                "readOnlyRootFilesystem": True,
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            }


def test_a_spool_outlives_its_pod_and_its_release() -> None:
    nodes = one(render(BUCKET), "StatefulSet")["spec"]
    kept = {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert nodes["persistentVolumeClaimRetentionPolicy"] == kept
    (claim,) = nodes["volumeClaimTemplates"]
    assert claim["metadata"]["name"] in {
        each["name"] for each in container(render(BUCKET))["volumeMounts"]
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (10485760, "10485760"),
        (2**40, str(2**40)),
        (0.25, "0.25"),
        (True, "true"),
        ("", ""),
        ("a\"b'c: #", "a\"b'c: #"),
    ],
    ids=["integer", "large integer", "fraction", "boolean", "empty", "special characters"],
)
def test_settings_reach_the_service_unchanged(value: Any, text: str) -> None:
    objects = render({"settings": BUCKET["settings"] | {"SOME_SETTING": value}})
    assert variables(objects)["SOME_SETTING"] == text


@pytest.mark.parametrize("name", VALUES)
def test_the_chart_sets_no_variable_that_the_service_does_not_know(name: str) -> None:
    others = {"POD_NAME", "AWS_CA_BUNDLE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    settings = {setting.variable for setting in describe(Settings())}
    assert variables(render(VALUES[name])).keys() <= settings | others


def test_the_bucket_is_prepared_before_the_nodes_start_by_an_account_of_its_own() -> None:
    objects = render(VALUES["everything"])
    job, account = one(objects, "Job"), one(objects, "ServiceAccount", "-bucket-init")
    for hook in (job, account):
        assert hook["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    weights = [
        int(each["metadata"]["annotations"]["helm.sh/hook-weight"]) for each in (account, job)
    ]
    assert weights == sorted(weights)
    pod = job["spec"]["template"]
    assert pod["spec"]["serviceAccountName"] == account["metadata"]["name"]
    assert pod["spec"]["containers"][0]["args"] == [
        "sercuescribe", "bucket", "init", "--origin", "https://app.example", "--version-days", "7",
    ]  # fmt: skip
    selector = one(objects, "Service", "-nodes")["spec"]["selector"].items()
    assert not selector <= pod["metadata"]["labels"].items()


def test_the_hook_has_the_volumes_of_the_nodes_and_runs_where_they_may() -> None:
    values = VALUES["everything"]
    objects = render(values)
    for kind in ("StatefulSet", "Job"):
        pod = one(objects, kind)["spec"]["template"]["spec"]
        for field in ("nodeSelector", "tolerations", "affinity", "priorityClassName"):
            assert pod[field] == values[field]
        assert values["extraVolumes"][0] in pod["volumes"]
        assert values["extraVolumeMounts"][0] in pod["containers"][0]["volumeMounts"]
        assert values["extraEnv"][0] in pod["containers"][0]["env"]


def test_an_existing_service_account_is_the_only_one() -> None:
    objects = render(VALUES["an existing service account"])
    assert "ServiceAccount" not in {each["kind"] for each in objects}
    for kind in ("StatefulSet", "Job"):
        assert one(objects, kind)["spec"]["template"]["spec"]["serviceAccountName"] == "mine"


def test_without_authentication_the_service_answers_to_its_names() -> None:
    assert variables(render(VALUES["no authentication"]))["ALLOWED_HOSTS"] == (
        "rec-sercuescribe.audio,rec-sercuescribe.audio.svc,rec-sercuescribe.audio.svc.cluster.local"
    )


def test_an_open_websocket_may_be_silent_for_longer_than_the_service_allows() -> None:
    annotations = one(render(VALUES["everything"]), "Ingress")["metadata"]["annotations"]
    timeout_seconds = Settings().connection_timeout_seconds
    for each in ("read", "send"):
        assert (
            int(annotations[f"nginx.ingress.kubernetes.io/proxy-{each}-timeout"]) > timeout_seconds
        )


def test_prometheus_scrapes_each_node_once() -> None:
    objects = render(VALUES["everything"])
    selector = one(objects, "ServiceMonitor")["spec"]["selector"]["matchLabels"].items()
    services = [
        each
        for each in objects
        if each["kind"] == "Service" and selector <= each["metadata"]["labels"].items()
    ]
    (service,) = services
    assert "metrics" in {port["name"] for port in service["spec"]["ports"]}
    job = one(objects, "ServiceMonitor")["spec"]["jobLabel"]
    assert service["metadata"]["labels"][job] == "sercuescribe"


def test_a_packaged_chart_has_the_alerts_that_were_tested(tmp_path: Path) -> None:
    packaged = helm("package", str(CHART), "--destination", str(tmp_path))
    assert packaged.returncode == 0, packaged.stderr
    (archive,) = tmp_path.iterdir()
    values = VALUES["everything"]
    rendered = helm("template", "rec", str(archive), values=values)
    objects = [each for each in yaml.safe_load_all(rendered.stdout) if each]
    alerts = yaml.safe_load((ROOT / "infra" / "prometheus" / "alerts.yml").read_text())
    assert one(objects, "PrometheusRule")["spec"] == alerts
    assert one(render(values), "PrometheusRule")["spec"] == alerts


def test_the_readme_lists_the_values() -> None:
    table = runpy.run_path(str(ROOT / "infra" / "helm" / "values_table.py"))
    values, readme = (CHART / "values.yaml").read_text(), (CHART / "README.md").read_text()
    assert table["with_table"](readme, values) == readme
    described = {path for path, _, _ in table["described_values"](values)}
    assert set(_leaves(yaml.safe_load(values), described)) == described


def _leaves(values: Object, described: set[str], prefix: str = "") -> list[str]:
    """Return the paths of values; a group that has a description counts as one."""
    found = []
    for key, value in values.items():
        path = prefix + key
        if isinstance(value, dict) and value and path not in described:
            found += _leaves(value, described, f"{path}.")
        else:
            found.append(path)
    return found


def test_the_chart_has_the_version_of_the_service() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert chart["version"] == chart["appVersion"] == project["version"]
