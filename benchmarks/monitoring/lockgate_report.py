"""Lockgate's report of drift over two tables in memory; run by same_report.py.

The figures: both tables counted, the bets drawn up, one look. The page: every column's cells side by side and what moved,
ranked, as Altair charts in HTML. The next window: counted and looked at, the reference and its bets being there.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import polars as pl
from quiet_windows import Columns
from same_report import Parts, measure

import lockgate as lg


def prepare(before: Columns, after: Columns) -> Parts:
    reference, window = pl.DataFrame(before), pl.DataFrame(after)

    def counted(_: Any) -> Any:
        profile = lg.profile(reference)
        return profile, lg.profile(window, against=profile)

    def judged(two: Any) -> Any:
        return *two, lg.drift(*two)

    def drawn(found: Any) -> Any:
        profile, counts, drift = found
        return *found, lg.chart(profile, counts).to_html(), lg.chart(drift).to_html()

    def again(found: Any) -> Any:
        profile = found[0]
        return profile, lg.drift(profile, lg.profile(window, against=profile)), *found[1:]

    return {
        "figures: both profiles": counted,
        "figures: bets and verdict": judged,
        "page: charts in HTML": drawn,
        "next window: profile and verdict": again,
        "a verdict of two profiles": lambda found: lg.drift(found[0], found[2]),
    }


if __name__ == "__main__":
    measure(f"Lockgate {version('lockgate')}", prepare)
