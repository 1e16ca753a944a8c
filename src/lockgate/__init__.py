"""Lockgate: from a training table to guarded production. Every change of traffic is a verdict."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lockgate import testing as testing
    from lockgate.records.drift import Drift as Drift
    from lockgate.records.evidence import Verdict as Verdict
    from lockgate.records.monitored import Estimated as Estimated
    from lockgate.records.monitored import Monitored as Monitored
    from lockgate.records.policy import Policy as Policy
    from lockgate.records.record import Record
    from lockgate.records.report import Report as Report
    from lockgate.report.charts import chart as chart
    from lockgate.server.client import AsyncClient as AsyncClient
    from lockgate.server.client import Client as Client
    from lockgate.workspace.checking import check as check
    from lockgate.workspace.comparing import compare as compare
    from lockgate.workspace.drifting import DriftJudge as DriftJudge
    from lockgate.workspace.drifting import drift as drift
    from lockgate.workspace.estimating import estimate as estimate
    from lockgate.workspace.guarding import guard as guard
    from lockgate.workspace.judging import Judge as Judge
    from lockgate.workspace.labelling import to_label as to_label
    from lockgate.workspace.monitoring import monitored as monitored
    from lockgate.workspace.planning import plan as plan
    from lockgate.workspace.profiling import profile as profile
    from lockgate.workspace.workspace import Workspace as Workspace

_PUBLIC = {
    "AsyncClient": "lockgate.server.client",
    "Client": "lockgate.server.client",
    "Drift": "lockgate.records.drift",
    "DriftJudge": "lockgate.workspace.drifting",
    "Estimated": "lockgate.records.monitored",
    "Judge": "lockgate.workspace.judging",
    "Monitored": "lockgate.records.monitored",
    "Policy": "lockgate.records.policy",
    "Report": "lockgate.records.report",
    "Verdict": "lockgate.records.evidence",
    "Workspace": "lockgate.workspace.workspace",
    "chart": "lockgate.report.charts",
    "check": "lockgate.workspace.checking",
    "compare": "lockgate.workspace.comparing",
    "drift": "lockgate.workspace.drifting",
    "estimate": "lockgate.workspace.estimating",
    "guard": "lockgate.workspace.guarding",
    "monitored": "lockgate.workspace.monitoring",
    "plan": "lockgate.workspace.planning",
    "profile": "lockgate.workspace.profiling",
    "to_label": "lockgate.workspace.labelling",
}
__all__ = [
    "AsyncClient",
    "Client",
    "Drift",
    "DriftJudge",
    "Estimated",
    "Judge",
    "Monitored",
    "Policy",
    "Report",
    "Verdict",
    "Workspace",
    "chart",
    "check",
    "compare",
    "drift",
    "estimate",
    "guard",
    "monitored",
    "plan",
    "profile",
    "testing",
    "to_label",
]


def __getattr__(name: str) -> Any:
    """Public names load their room when first used."""
    if name == "testing":
        return import_module("lockgate.testing")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'lockgate' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def _as_html(record: Record) -> str:
    from lockgate.report.notebook import html

    return html(record)


# Where each of them is written down: a formatter is looked up by that name, so that nothing has to be loaded.
_DRAWN = {
    "Drift": "lockgate.records.drift",
    "Plan": "lockgate.records.plan",
    "Report": "lockgate.records.report",
    "Verdict": "lockgate.records.evidence",
    "Version": "lockgate.records.version",
}


def _show_in_notebooks() -> None:
    """Imported in a notebook, records show what they hold; nothing is loaded before one is shown."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is not None:
        formatter = shell.display_formatter.formatters["text/html"]
        for name, room in _DRAWN.items():
            formatter.for_type_by_name(room, name, _as_html)


_show_in_notebooks()
