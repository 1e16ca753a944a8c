"""The dashboard and the alert rules: of Grafana's form, of series that there are, and of queries that Prometheus can read."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from lockgate.telemetry.dashboard import dashboard, dashboard_file
from lockgate.telemetry.families import FAMILIES
from lockgate.telemetry.rules import RULES, rules_file

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = json.loads((ROOT / "tests" / "schemas" / "grafana-dashboard.json").read_text())
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: prometheus)")


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> Iterator[tuple[str, str]]:
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$model", ".*").replace("$__rate_interval", "5m")


def as_told(family: Any) -> set[str]:
    """The names under which Prometheus stores a family."""
    return (
        {f"{family.name}_{part}" for part in ("bucket", "sum", "count")}
        if family.kind == "histogram"
        else {family.name}
    )


def test_the_dashboard_is_of_grafanas_form():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(dashboard_file()))


@pytest.mark.parametrize(
    ("place", "wrong"),
    [("type", "graph"), ("gridPos", {"x": 24, "y": 0, "w": 1, "h": 1}), ("targets", []), ("titel", "a slip")],
    ids=str,
)
def test_the_schema_refuses_a_panel_that_is_not(place, wrong):
    bent = dashboard()
    next(panel for panel in bent["panels"] if panel["type"] != "row")[place] = wrong
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(bent)


def test_panels_have_numbers_of_their_own_and_lie_beside_each_other():
    placed = dashboard()["panels"]
    assert len({panel["id"] for panel in placed}) == len(placed) > 25
    taken: set[tuple[int, int]] = set()
    for panel in placed:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_series_it_asks_for_is_one_that_is_told():
    known = set[str]().union(*(as_told(family) for family in FAMILIES.values()))
    named = {name for _, query in queries() for name in re.findall(r"\blockgate_\w+", query)}
    assert named <= known
    assert len(named) > 25
    assert {name for rule in RULES for name in re.findall(r"\blockgate_\w+", rule.query)} <= known


@pytest.mark.parametrize(
    "wanted", ["histogram_quantile(0.99", "lockgate_evidence_log_e", "lockgate_outcome_lag_seconds"]
)
def test_it_shows_what_a_person_on_call_asks_for(wanted):
    assert any(wanted in query for _, query in queries())


@needs_promtool
def test_promtool_reads_every_query_of_the_dashboard(tmp_path):
    rules = [{"record": f"panel:{n}", "expr": query} for n, (_, query) in enumerate(queries())]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run([PROMTOOL, "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout


@needs_promtool
def test_promtool_takes_the_rules_and_they_are_those_that_were_meant(tmp_path):
    file = tmp_path / "lockgate.rules.yml"
    file.write_text(rules_file())
    done = subprocess.run([PROMTOOL, "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (group,) = yaml.safe_load(rules_file())["groups"]
    assert [(r["alert"], r["expr"].rstrip("\n"), r["labels"]["severity"]) for r in group["rules"]] == [
        (rule.name, rule.query.rstrip("\n"), rule.severity) for rule in RULES
    ]
    assert [r["annotations"].get("next", "") for r in group["rules"]] == [rule.following for rule in RULES]


def test_the_example_holds_the_rules_as_they_are_exported():
    example = ROOT / "examples" / "prometheus" / "lockgate.rules.yml"
    assert example.read_text() == rules_file(), "lockgate export grafana --out examples/prometheus"
    assert example.with_name("lockgate.dashboard.json").read_text() == dashboard_file()
