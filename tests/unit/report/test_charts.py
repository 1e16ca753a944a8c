"""Charts by Altair: valid Vega-Lite of the very counts, and a word where there is none."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import lockgate as lg
from lockgate.errors import SpecError
from lockgate.records import Profile
from lockgate.report.charts import cell_names, drift_spec, profile_spec

alt = pytest.importorskip("altair", reason="the extra [report] is not installed")


def rows(n: int, *, seed: int, mean: float = 0.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    levels = rng.choice([f"L{k}" for k in range(40)], n)
    return {
        "delay": mean + rng.standard_normal(n),
        "seats": rng.choice([1.0, 2.0, 3.0], n),
        "carrier": levels,
        "is_late": rng.random(n) > 0.3,
    }


@pytest.fixture(scope="module")
def before() -> Profile:
    return lg.profile(rows(8_000, seed=0))


@pytest.fixture(scope="module")
def window(before: Profile) -> Profile:
    return lg.profile(rows(2_000, seed=1, mean=0.6), against=before)


def test_a_chart_of_each_is_altairs_own_and_valid(before, window):
    for chart in (lg.chart(before), lg.chart(before, window), lg.chart(lg.drift(before, window))):
        assert isinstance(chart, alt.TopLevelMixin)
        assert chart.to_dict(validate=True)["$schema"].endswith("v6.json")


def test_a_verdicts_chart_is_the_one_that_there_was():
    rng = np.random.default_rng(0)
    judge = lg.Judge(lg.Policy(kind="rate", alpha=0.01, margin_ratio=1.5))
    found = None
    while found is None:
        arm = int(rng.random() < 0.5)
        found = judge.observe(arm=arm, value=float(rng.random() < (0.4 if arm else 0.05)), canary_share=0.5)
    assert isinstance(lg.chart(found), alt.VConcatChart)


def test_shares_of_every_column_add_up_to_all_its_rows(before, window):
    spec = profile_spec(before, window)
    assert len(spec["concat"]) == 4
    for panel in spec["concat"]:
        for who in ("reference", "window"):
            shares = [row["share"] for row in panel["data"]["values"] if row["who"] == who]
            assert sum(shares) == pytest.approx(1.0), panel["title"]


def test_cells_are_named_as_a_person_reads_them_and_each_once(before):
    named = {c.name: cell_names(c.facets[0], c.kind) for c in before.columns}
    assert named["is_late"] == ["false", "true"]
    assert named["seats"] == ["under 1", "1", "2", "3", "over 3"]
    assert named["delay"][0].startswith("to ")
    assert named["delay"][-1].startswith("over ")
    for column in before.columns:
        assert len(named[column.name]) == len(set(named[column.name])) == len(column.facets[0].counts)


def test_drift_is_ranked_as_the_record_ranks_it(before, window):
    found = lg.drift(before, window)
    told = [row["column"] for row in drift_spec(found)["data"]["values"]]
    assert told == [one.name for one in found.moved[: len(told)]]
    assert next(row for row in drift_spec(found)["data"]["values"] if row["column"] == "delay")["state"] == "moved"


def test_what_has_no_chart_says_so(before, window):
    with pytest.raises(SpecError, match="A Facet has no chart"):
        lg.chart(before.columns[0].facets[0])
    with pytest.raises(SpecError, match="Only a profile is laid over another"):
        lg.chart(lg.drift(before, window), window)
    with pytest.raises(SpecError):
        lg.chart(before, lg.profile(rows(500, seed=3)))


WITHOUT = """
import sys
sys.modules["altair"] = None
import numpy as np, lockgate as lg
try:
    lg.chart(lg.profile({"x": np.arange(50.0)}))
except lg.errors.SpecError as error:
    print(error)
"""


def test_without_the_extra_a_sentence_says_what_to_install():
    path = ":".join(entry for entry in sys.path if entry)
    code = WITHOUT.replace("lg.errors.SpecError", "Exception")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": path}
    )
    assert done.stdout.strip() == "A chart is Altair's, which is not installed. Run: pip install lockgate[report]"
