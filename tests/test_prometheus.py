"""The alert rules fire for real faults, and rules and dashboard name only metrics that exist."""

import asyncio
import contextlib
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from api.events.signature import new_secret
from api.observe.metrics import Metrics
from tests.audio import pcm
from tests.eventually import eventually
from tests.faults import Kind, faulty_store
from tests.ports import reserve_ports
from tests.s3_requests import Request
from tests.service import Client, Service

FOLDER = Path(__file__).parent.parent / "infra" / "prometheus"
RULES = (FOLDER / "alerts.yml").read_text()
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())

# What the test shortens, so that it need not wait for minutes: each text is in the rules.
SHORTENED = {
    "for: 1m": "for: 0s",
    "for: 2m": "for: 0s",
    "for: 15m": "for: 0s",
    "[5m]": "[10s]",
    "[15m]": "[10s]",
    "unpersisted_seconds) > 30": "unpersisted_seconds) > 8",
    "lease_age_seconds) > 10": "lease_age_seconds) > 8",
    "< 2 * 1024 * 1024 * 1024": "< 1024",
}


STORE_ALERTS = {
    "SercueScribePersistedLag", "SercueScribeLeaseAge", "SercueScribeStoreErrors",
}  # fmt: skip


def names_of(text: str) -> set[str]:
    return set(re.findall(r"\bsercuescribe_\w+", text))


def existing_names() -> set[str]:
    """Return the names of all samples that the service can have."""
    found = set()
    for family in Metrics().registry.collect():
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
        found |= {family.name + suffix for suffix in suffixes.get(family.type, [""])}
    return found


@pytest.mark.parametrize("name", ["alerts.yml", "alerts_test.yml", "dashboard.json"])
def test_only_metrics_that_exist_are_named(name: str) -> None:
    named = names_of((FOLDER / name).read_text())
    assert named
    # A text may name a histogram as a whole.
    assert named - existing_names() - family_names() == set()


def test_the_dashboard_shows_every_metric() -> None:
    shown = " ".join(
        target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])
    )
    assert {name for name in family_names() if name not in shown} == set()


def family_names() -> set[str]:
    return {family.name for family in Metrics().registry.collect()}


def test_each_panel_of_the_dashboard_has_its_place() -> None:
    places = [tuple(panel["gridPos"][key] for key in "xywh") for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places) == len({panel["id"] for panel in DASHBOARD["panels"]})
    assert all(x + width <= 24 for x, _, width, _ in places)


def test_each_rule_has_a_unit_test_and_all_of_them_pass() -> None:
    rules = {rule["alert"] for rule in yaml.safe_load(RULES)["groups"][0]["rules"]}
    tests = yaml.safe_load((FOLDER / "alerts_test.yml").read_text())["tests"]
    fired = {
        case["alertname"]
        for test in tests
        for case in test["alert_rule_test"]
        if case.get("exp_alerts")
    }
    assert fired == rules
    for arguments in (
        ["check", "config", "prometheus.yml"],
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts_test.yml"],
    ):
        done = subprocess.run(
            ["promtool", *arguments],
            cwd=FOLDER,
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def _wait_ready(url: str) -> None:
    """Return when the Prometheus has read its data; before, it answers with 503."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.ConnectionError):
            if requests.get(f"{url}/-/ready", timeout=60).ok:
                return
        time.sleep(0.1)
    raise TimeoutError(f"{url} is not ready")


@contextlib.contextmanager
def prometheus(
    folder: Path, target: str, shortened: Mapping[str, str] = SHORTENED
) -> Iterator[str]:
    """Run a Prometheus with the example's configuration, and shortened rules; yield its URL."""
    rules = RULES
    for text, shorter in shortened.items():
        assert text in rules
        rules = rules.replace(text, shorter)
    folder.mkdir()
    (folder / "alerts.yml").write_text(rules)
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    (port,) = reserve_ports(1)
    program = shutil.which("prometheus")
    assert program is not None, "install the Debian package prometheus"
    process = subprocess.Popen(
        [
            program,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        ]
    )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_ready(url)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def firing(url: str) -> set[str]:
    with contextlib.suppress(requests.ConnectionError):
        answer: dict[str, Any] = requests.get(f"{url}/api/v1/alerts", timeout=60).json()
        alerts = answer["data"]["alerts"]
        return {each["labels"]["alertname"] for each in alerts if each["state"] == "firing"}
    return set()


def has_result(url: str, query: str) -> bool:
    with contextlib.suppress(requests.ConnectionError):
        answer = requests.get(f"{url}/api/v1/query", params={"query": query}, timeout=60).json()
        return bool(answer["data"]["result"])
    return False


def is_write(request: Request) -> bool:
    return request.method in {"PUT", "POST"}


async def send_until_closed(client: Client, chunk: bytes) -> None:
    """Send a chunk again and again, as a live recorder."""
    with contextlib.suppress(Exception):
        while True:
            await client.send(chunk)
            await asyncio.sleep(0.05)


@pytest.mark.engine
async def test_alerts_fire_for_real_faults_and_not_before(
    on_bucket: Callable[..., Service], seaweedfs_url: str, tmp_path: Path
) -> None:
    (port,) = reserve_ports(1)
    address = f"127.0.0.1:{port}"

    with faulty_store(seaweedfs_url) as store:
        service = on_bucket(
            s3_endpoint_url=store.url,
            metrics_address=address,
            segment_seconds=0.2,
            lease_seconds=2,
            max_concurrent_sessions=2,
        )
        with prometheus(tmp_path / "prometheus", address) as url:
            async with service.session(sample_rate=8000) as first:
                recording = [asyncio.create_task(send_until_closed(first, pcm(800)))]
                await eventually(
                    lambda: has_result(url, "sercuescribe_chunks_total > 5"),
                    awaiting="a scrape under load",
                )
                assert firing(url) == set()
                seen: set[str] = set()

                def fired() -> set[str]:
                    seen.update(firing(url))
                    return seen

                async with service.session():
                    await eventually(
                        fired,
                        lambda found: found == {"SercueScribeSessionsNearLimit"},
                        awaiting="the alert of a limit",
                    )
                store.fail(Kind.ERROR, is_write)
                await eventually(
                    fired,
                    lambda found: found >= STORE_ALERTS,
                    awaiting="the alerts of a store that takes nothing",
                )
                service.kill()
                await eventually(
                    lambda: firing(url),
                    lambda found: "SercueScribeDown" in found,
                    awaiting="the alert of a process that has ended",
                )
                await asyncio.gather(*recording)


@pytest.mark.long
@pytest.mark.engine
async def test_alerts_fire_for_a_full_spool_and_for_a_receiver_that_is_away(
    on_bucket: Callable[..., Service], seaweedfs_url: str, tmp_path: Path
) -> None:
    """Clients wait for their acknowledgements while the spool is full; then these were slow."""
    metrics_port, away = reserve_ports(2)
    address = f"127.0.0.1:{metrics_port}"
    seen: set[str] = set()
    # The slow acknowledgements count for longer than a busy machine may delay a scrape.
    shortened = SHORTENED | {"[5m]": "[30s]"}

    def fired(url: str) -> set[str]:
        seen.update(firing(url))
        return seen

    with (
        faulty_store(seaweedfs_url) as store,
        prometheus(tmp_path / "prometheus", address, shortened) as url,
    ):
        service = on_bucket(
            s3_endpoint_url=store.url,
            metrics_address=address,
            segment_seconds=0.2,
            spool_max_mb=1,
            webhook_urls=f"http://127.0.0.1:{away}/",
            webhook_secrets=new_secret(),
        )
        async with service.session(sample_rate=8000) as client:
            await client.send(pcm(800))
            fault = store.fail(Kind.ERROR, is_write)

            async def send_more_than_the_spool_takes() -> None:
                for _ in range(20):
                    await client.send(pcm(50_000))

            sending = asyncio.create_task(send_more_than_the_spool_takes())
            await eventually(
                lambda: sum("storage failed, retrying" in line for line in service.log),
                lambda retries: retries >= 6,  # of one chunk: then it has waited for a second
                awaiting="a chunk that is written again while the spool is full",
            )
            assert not sending.done()
            fault.end()
            await sending
            await eventually(
                lambda: fired(url),
                lambda found: (
                    found >= {"SercueScribeSlowAcknowledgements", "SercueScribeWebhooksFailing"}
                ),
                awaiting="the alerts of slow acknowledgements and of a receiver that is away",
            )


@contextlib.contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """Mount a file system in memory, for which the test needs root."""
    folder.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "sercuescribe", str(folder)],
        check=True,
        timeout=60,
    )
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=60)


@pytest.mark.long
async def test_alerts_fire_for_a_background_task_that_has_failed_and_a_disk_that_fills_up(
    start_service: Callable[..., Service], tmp_path: Path
) -> None:
    """The disk has a little more free space than the rule wants, until audio is recorded."""
    (port,) = reserve_ports(1)
    address, defect = f"127.0.0.1:{port}", tmp_path / "defect"
    shortened = {text: SHORTENED[text] for text in SHORTENED if "1024" not in text}
    with small_disk(tmp_path / "disk", 2 * 2**30 + 16 * 2**20) as disk:
        service = start_service(
            metrics_address=address, audio_storage_path=disk, fails_while=defect
        )
        service.kill()
        service.program = ("tests.failing_sync_service",)
        service.start()
        with prometheus(tmp_path / "prometheus", address, shortened) as url:
            async with service.session() as client:
                await eventually(
                    lambda: has_result(url, "sercuescribe_sessions_live == 1"), awaiting="a scrape"
                )
                assert firing(url) == set()
                defect.touch()
                await client.send(pcm(1000))
                await eventually(
                    lambda: firing(url),
                    lambda found: found == {"SercueScribeTaskFailed"},
                    awaiting="the alert of a task",
                )
                defect.unlink()
                await eventually(
                    lambda: service.get(f"/api/audio/sessions/{client.session_id}").json(),
                    lambda info: info["persisted_chunk_count"] == 1,
                    awaiting="the sync of what the failed pass had begun",
                )
                for _ in range(24):
                    await client.send(bytes(2**20))
                await eventually(
                    lambda: firing(url),
                    lambda found: "SercueScribeSpoolNearlyFull" in found,
                    awaiting="the alert of a disk",
                )
        service.stop()
