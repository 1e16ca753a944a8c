"""House prices grow and a frozen model falls behind: found in a table of others' predictions, with its date."""

from __future__ import annotations

from typing import Any

import pytest

import lockgate as lg
from lockgate.records import Ruling
from lockgate.records.monitored import Monitored

INPUTS = ["month", "listings", "inventory", "city_code"]


@pytest.fixture(scope="module")
def told() -> Monitored:
    """Frozen on 2000 to 2004; 2005 is what is normal, 2006 to 2015 what came."""
    pytest.importorskip("plotnine", reason="txhousing comes with plotnine")
    import pandas as pd
    from plotnine.data import txhousing
    from sklearn.ensemble import HistGradientBoostingRegressor

    months = txhousing.dropna(subset=["median"]).copy()
    months["asked_at"] = pd.to_datetime(months[["year", "month"]].assign(day=1)).dt.tz_localize("UTC")
    months["city_code"] = months["city"].astype("category").cat.codes.astype(float)

    def inputs(rows: Any) -> Any:
        return rows[INPUTS].to_numpy(float)

    before = months[months["year"] < 2005]
    model = HistGradientBoostingRegressor(random_state=0).fit(inputs(before), before["median"])
    months["said"] = model.predict(inputs(months))
    kept = months[["year", "asked_at", "listings", "inventory", "said", "median"]]
    return lg.monitored(
        kept[kept["year"] >= 2006],
        kept[kept["year"] == 2005],
        prediction="said",
        outcome="median",
        time="asked_at",
        columns=["listings", "inventory"],
        window="30d",
        name="txhousing",
    )


def test_growth_is_found_with_its_date(told: Monitored) -> None:
    found = next(one for one in told.verdicts if one.gate.name == "degradation")
    first = next(one for one in told.windows if "degradation" in one.alarmed)
    assert found.ruling is Ruling.FAIL
    assert "2006-06" <= first.name <= "2008-01"
    assert "blocks of 30d, from 2006-" in found.sentence
    assert "(raw absolute error " in found.sentence


def test_the_error_grows_over_the_years_and_the_estimate_cannot_see_it(told: Monitored) -> None:
    """Prices rise for the same listings: P(Y|X) has changed, which no estimate knows; its past error does."""
    judged = [one for one in told.windows if one.realised is not None and one.rows]
    early, late = judged[2], judged[-2]
    assert late.realised is not None
    assert late.estimated is not None
    assert early.realised is not None
    assert early.estimated is not None
    errors = [one.realised.measures[0].value for one in (early, late) if one.realised is not None]
    assert errors[1] > 2.5 * errors[0]
    expected = [one.estimated.measures[0] for one in (early, late) if one.estimated is not None]
    assert expected[1].value < 1.5 * expected[0].value
    assert expected[1].past_error > 5 * expected[0].past_error
    assert "if P(Y|X) is unchanged" in late.estimated.sentence
