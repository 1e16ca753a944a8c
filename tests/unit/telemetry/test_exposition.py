"""The form: what Prometheus's own parsers and promtool read out of it is what was counted."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from lockgate.telemetry.exposition import exposition
from lockgate.telemetry.families import BOUNDS_S, FAMILIES, WIDTH
from lockgate.telemetry.totals import ByName

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
PROMTOOL = shutil.which("promtool")
ROOT = Path(__file__).resolve().parents[3]
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: prometheus)")
READERS = {
    "": parser.text_string_to_metric_families,
    OPENMETRICS: openmetrics_parser.text_string_to_metric_families,
}


def everything() -> ByName:
    """Every series once, with labels that must be escaped."""
    found: ByName = {}
    for name, family in FAMILIES.items():
        labels = tuple(f'{label} "a\\b"\nc' for label in family.labels)
        found[name] = {labels: [float(place) for place in range(WIDTH)] if family.kind == "histogram" else [3.0]}
    return found


@pytest.mark.parametrize("accept", READERS, ids=["text", "OpenMetrics"])
def test_every_series_is_read_back_as_it_was_counted(accept):
    told = everything()
    body, _ = exposition(told, accept)
    read = {(s.name, frozenset(s.labels.items())): s.value for f in READERS[accept](body.decode()) for s in f.samples}
    for name, family in FAMILIES.items():
        ((values, numbers),) = told[name].items()
        labels = dict(zip(family.labels, values, strict=True))
        if family.kind == "histogram":
            assert read[f"{name}_count", frozenset(labels.items())] == sum(range(WIDTH - 1))
            assert read[f"{name}_sum", frozenset(labels.items())] == WIDTH - 1
            for bound, count in (("+Inf", sum(range(WIDTH - 1))), (str(BOUNDS_S[2]), 0 + 1 + 2)):
                assert read[f"{name}_bucket", frozenset((labels | {"le": bound}).items())] == count
        else:
            assert read[name, frozenset(labels.items())] == numbers[0]


def test_the_form_is_the_one_that_is_asked_for():
    assert exposition({}, "")[1].startswith("text/plain; version=0.0.4")
    assert exposition({}, OPENMETRICS)[1].startswith("application/openmetrics-text")
    assert exposition({}, OPENMETRICS)[0].endswith(b"# EOF\n")


@needs_promtool
def test_promtool_finds_nothing_to_mend():
    body, _ = exposition(everything(), "")
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=body, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


RULES = ROOT / "examples" / "prometheus" / "lockgate.rules.yml"


def test_the_example_alerts_name_series_that_there_are():
    named = set(re.findall(r"\blockgate_\w+", RULES.read_text()))
    known = set(FAMILIES) | {f"{f.name}_{part}" for f in FAMILIES.values() for part in ("bucket", "sum", "count")}
    assert named <= known
    assert len(named) > 10


@needs_promtool
@pytest.mark.parametrize("question", [["check", "rules"], ["test", "rules"]], ids=" ".join)
def test_promtool_takes_the_example_alerts_and_they_fire_when_they_should(question):
    file = RULES if question == ["check", "rules"] else RULES.with_name("lockgate.rules.test.yml")
    done = subprocess.run(
        [PROMTOOL, *question, str(file)], capture_output=True, text=True, check=False, env=os.environ | {"TZ": "UTC"}
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_series_is_explained_in_the_docs():
    told = (ROOT / "docs" / "monitoring-series.md").read_text()
    assert [name for name in FAMILIES if f"`{name}" not in told] == []
