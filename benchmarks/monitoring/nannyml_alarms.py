"""Quiet windows under NannyML's univariate drift at its defaults: how many are flagged?

    python -m venv rival && rival/bin/pip install nannyml statsmodels
    NML_DISABLE_USAGE_LOGGING=1 rival/bin/python -W ignore benchmarks/monitoring/nannyml_alarms.py

0.13.1 needs statsmodels, which it does not install. Its thresholds are three standard deviations of the reference's own
chunks, here of the window's size.
"""

from __future__ import annotations

from importlib.metadata import version

import nannyml
import pandas as pd
from quiet_windows import Columns, measure


def against(reference: Columns, rows: int):
    before = pd.DataFrame(reference)
    fitted = nannyml.UnivariateDriftCalculator(column_names=list(before), chunk_size=rows).fit(before)

    def flags(window: Columns) -> int:
        found = fitted.calculate(pd.DataFrame(window)).filter(period="analysis").to_df()
        alerts = found.loc[:, [name for name in found.columns if name[-1] == "alert"]]
        return int(alerts.any(axis=0).groupby(level=0).any().sum())

    return flags


if __name__ == "__main__":
    measure(f"NannyML {version('nannyml')}", against)
