"""Quiet windows under Evidently's data drift preset at its defaults: how many are flagged?

    python -m venv rival && rival/bin/pip install evidently "pandas<3"
    DO_NOT_TRACK=1 rival/bin/python -W ignore benchmarks/monitoring/evidently_alarms.py

0.7.23 does not import beside the pandas 3 that it allows, so pandas is held under 3. Its default test changes with the
reference's size: p-values up to 1,000 rows, distances beyond.
"""

from __future__ import annotations

from importlib.metadata import version

import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset
from quiet_windows import Columns, measure


def against(reference: Columns, _rows: int):
    before = pd.DataFrame(reference)

    def flags(window: Columns) -> int:
        found = Report([DataDriftPreset()]).run(pd.DataFrame(window), before).dict()
        values = (one["value"] for one in found["metrics"])
        return int(next(value["count"] for value in values if isinstance(value, dict) and "count" in value))

    return flags


if __name__ == "__main__":
    measure(f"Evidently {version('evidently')}", against)
