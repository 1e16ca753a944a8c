"""Real servers: what the dashboard and the rules ask for is told, OpenTelemetry's SDK sends the same numbers, and status says
how the service does.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as text

from lockgate.records import Evidence, Gate, Ruling, Verdict
from lockgate.telemetry.dashboard import dashboard
from lockgate.telemetry.rules import RULES

ROW: dict[str, Any] = {"wait": 3.5, "seats": 120, "carrier": "AA", "plane": "N1"}
TIDE = "tide"


def samples(body: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {(s.name, frozenset(s.labels.items())): s.value for family in text(body) for s in family.samples}


def scraped(url: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return samples(httpx.get(f"{url}/metrics", timeout=10).raise_for_status().text)


def asked_for() -> set[str]:
    """Every series that a panel or a rule names."""
    queries = [t["expr"] for panel in dashboard()["panels"] for t in panel.get("targets", ())]
    return set(re.findall(r"\blockgate_\w+", " ".join([*queries, *(rule.query for rule in RULES)])))


@pytest.fixture(scope="module")
def lived(built, tmp_path_factory):
    """A workspace with closed days, a champion and a rollout that runs, behind `lockgate serve`; metrics to the console."""
    root = tmp_path_factory.mktemp("lived") / "project"
    shutil.copytree(built.root, root)
    shop = type(built)(root, dict(built.versions))
    workspace = shop.open()
    days = shop.table(40, 5)
    predictions = workspace.score(TIDE, days, prefix="d")
    known = [stamp.timestamp() for stamp in days["known_at"]]
    told = zip(predictions, days["y"], known, strict=True)
    workspace.outcomes(TIDE, [(p.id, float(y), at_s) for p, y, at_s in told])
    workspace.gate(shop.versions["rival"])
    workspace.rollout(shop.versions["rival"], by="the tests", anyway=True)
    while workspace.tick().read:
        pass
    # Worth takes weeks to tell: what the last look had is written here.
    gate = Gate(
        name="degradation",
        question="harm",
        claim="degraded",
        measure="skill",
        method="GLS-t",
        margin=0.02,
        alpha=0.05,
        guarantee="calibrated",
    )
    looked = Verdict(
        id="v0000001",
        model=TIDE,
        ruling=Ruling.UNDECIDED,
        gate=gate,
        evidence=Evidence(log_e=0.7),
        subject=(shop.versions["trees"],),
        sentence="Nothing is shown yet.",
        at_s=known[-1],
        written_s=known[-1],
    )
    workspace.wiring.records.write(looked)
    workspace.close()
    console = {"OTEL_METRICS_EXPORTER": "console", "OTEL_METRIC_EXPORT_INTERVAL": "1000"}
    with shop.serving(**console) as server:
        for n in range(20):
            rows = [shop.row(boat=f"b{n}-{k}", colour="violet" if k == 0 else "red") for k in range(25)]
            answer = server.predict(*rows, id=f"r{n}")
            assert answer.status_code == 200
            told = [{"id": f"r{n}-{k}", "value": k % 2, "at": "2023-12-30T12:00:00Z"} for k in range(25)]
            assert server.client.post(f"{server.url}/outcomes/{TIDE}", json={"outcomes": told}).status_code == 200
        yield shop, server


def test_what_the_dashboard_and_the_rules_ask_for_is_told_by_a_real_server(lived, project, until):
    _, server = lived
    # Another server, of a model that raises, answers from a child of its own, and sends bad rows away.
    project.publish(project.add_constant("first", 0.1, "boom"))
    with project.serving() as other:
        for wait in (1.0, 7.0, 99.0):
            assert other.predict(ROW | {"wait": wait}).status_code == 200
        assert other.predict(ROW | {"seats": -5}).status_code == 422
        wanted = asked_for()
        missing: set[str] = set()

        def is_told() -> bool:
            names = {name for name, _ in (*scraped(server.url), *scraped(other.url))}
            missing.clear()
            missing.update(wanted - names)
            return not missing

        give_up = time.monotonic() + 30
        while not is_told() and time.monotonic() < give_up:
            time.sleep(0.3)
    assert missing == set()
    assert len(wanted) > 30


def exported(shop) -> list[dict[str, Any]]:
    """Each export that the console exporter has written whole, as the SDK's own JSON."""
    written = (shop.root / "server.out").read_text()
    found, reader, at = [], json.JSONDecoder(), written.find('{\n    "resource_metrics"')
    while at >= 0:
        try:
            told, end = reader.raw_decode(written, at)
        except json.JSONDecodeError:  # it is being written
            break
        found.append(told)
        at = written.find('{\n    "resource_metrics"', end)
    return found


def points(told: dict[str, Any]) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """As Prometheus would name them: a histogram by its count, its sum and its buckets."""
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for resource in told["resource_metrics"]:
        for metric in (metric for scope in resource["scope_metrics"] for metric in scope["metrics"]):
            for point in metric["data"]["data_points"]:
                labels = frozenset(point["attributes"].items())
                if "bucket_counts" in point:
                    found[f"{metric['name']}_count", labels] = float(point["count"])
                    found[f"{metric['name']}_sum", labels] = point["sum"]
                    assert len(point["bucket_counts"]) == len(point["explicit_bounds"]) + 1
                    assert sum(point["bucket_counts"]) == point["count"]
                else:
                    found[metric["name"], labels] = float(point["value"])
    return found


def test_opentelemetry_is_told_the_numbers_that_prometheus_is(lived, until):
    shop, server = lived
    moving = re.compile(r"cpu|memory|fds|age|turned|http_|request_|loop_failures|backlog|connections|in_hand$|waiting$")
    agreed: dict[str, int] = {}

    def is_alike() -> bool:
        exports = exported(shop)
        if not exports:
            return False
        here = {
            key: value for key, value in scraped(server.url).items() if not key[0].endswith(("_bucket", "_created"))
        }
        sent = points(exports[-1])
        still = {key for key in here if not moving.search(key[0])}
        agreed["both"] = len(still)
        return still <= set(sent) and all(sent[key] == pytest.approx(here[key]) for key in still)

    until(is_alike, "an export that says what /metrics says", within_s=20)
    assert agreed["both"] > 30
    (resource,) = exported(shop)[-1]["resource_metrics"]
    assert resource["resource"]["attributes"]["service.name"] == "lockgate"
    units = {m["name"]: m["unit"] for scope in resource["scope_metrics"] for m in scope["metrics"]}
    assert units["lockgate_call_duration_seconds"] == "s"
    assert units["lockgate_process_resident_memory_bytes"] == "By"


def test_status_and_the_page_say_how_the_service_does(lived, until):
    shop, server = lived

    def service() -> dict[str, Any]:
        return json.loads(shop.run("status", "--json").stdout)[0]["service"] or {}

    give_up = time.monotonic() + 30
    while service().get("median_ms") is None and time.monotonic() < give_up:
        server.predict(shop.row())
        time.sleep(0.5)
    found = service()
    assert found["workers"] == found["workers_wanted"] == 1
    assert 0 < found["median_ms"] <= found["p95_ms"] <= found["p99_ms"]
    assert found["calls_per_s"] > 0
    assert found["errors_per_s"] == found["lost"] == found["spilled"] == 0
    assert found["memory_bytes"] > 10e6
    assert found["limit"] == 256
    (line,) = [line for line in shop.run("status").stdout.splitlines() if line.startswith("service: ")]
    assert "workers 1 of 1" in line
    assert "p99" in line
    page = httpx.get(f"{server.pages}/now").text
    assert "<dt>log backlog</dt>" in page


def test_the_command_writes_both_files_without_a_workspace(tmp_path):
    command = [sys.executable, "-m", "lockgate", "export", "grafana", "--out", str(tmp_path / "out"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    told = json.loads(done.stdout)
    assert json.loads((tmp_path / "out" / "lockgate.dashboard.json").read_text())["title"] == "Lockgate"
    assert set(told) == {"dashboard", "rules"}
    refused = subprocess.run([*command[:-3], "--out", "/dev/null/x"], capture_output=True, text=True, check=False)
    assert refused.returncode == 3
    assert "cannot be written" in refused.stderr
