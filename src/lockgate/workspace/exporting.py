"""Files for other people's monitoring: a Grafana dashboard and Prometheus alert rules, written out."""

from __future__ import annotations

from pathlib import Path

from lockgate.errors import StoreError
from lockgate.telemetry.dashboard import dashboard_file
from lockgate.telemetry.rules import rules_file

DASHBOARD, RULES = "lockgate.dashboard.json", "lockgate.rules.yml"


def grafana(folder: Path) -> tuple[Path, Path]:
    """The dashboard and the rules, written into `folder`, which is made. Raises StoreError where the disk refuses."""
    found = (folder / DASHBOARD, dashboard_file()), (folder / RULES, rules_file())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in found:
            file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be written: {error.strerror}.", cure="Name another folder: --out DIR"
        ) from error
    return found[0][0], found[1][0]
