"""Evidently's data drift preset over two tables in memory, at its defaults; run by same_report.py.

python -m venv rival && rival/bin/pip install evidently "pandas<3"
"""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset
from quiet_windows import Columns
from same_report import Parts, measure


def prepare(before: Columns, after: Columns) -> Parts:
    reference, window = pd.DataFrame(before), pd.DataFrame(after)

    def figures(_: Any) -> Any:
        found = Report([DataDriftPreset()]).run(window, reference)
        found.dict()
        return found

    def page(found: Any) -> None:
        with tempfile.TemporaryDirectory() as folder:
            found.save_html(str(Path(folder) / "page.html"))

    return {"figures: run, dict": figures, "page: save_html": page}


if __name__ == "__main__":
    measure(f"Evidently {version('evidently')}", prepare)
