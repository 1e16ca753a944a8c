"""NannyML's univariate drift over two tables in memory, at its defaults; run by same_report.py.

    python -m venv rival && rival/bin/pip install nannyml statsmodels

Ten chunks of each table, Jensen-Shannon distances of every column. Its plots are left out, in its favour: the drift and the
distribution plot of the twenty columns took 36 s of CPU more, at 20,000 rows.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import nannyml
import pandas as pd
from quiet_windows import Columns
from same_report import Parts, measure


def prepare(before: Columns, after: Columns) -> Parts:
    reference, window = pd.DataFrame(before), pd.DataFrame(after)

    def figures(_: Any) -> Any:
        fitted = nannyml.UnivariateDriftCalculator(column_names=list(reference)).fit(reference)
        fitted.calculate(window).to_df()
        return fitted

    return {
        "figures: fit, calculate": figures,
        "next window: calculate": lambda fitted: fitted.calculate(window).to_df(),
    }


if __name__ == "__main__":
    measure(f"NannyML {version('nannyml')}", prepare)
