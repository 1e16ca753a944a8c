"""Lockgate: from a training table to guarded production. Every change of traffic is a verdict."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lockgate.records.evidence import Verdict as Verdict
    from lockgate.records.policy import Policy as Policy
    from lockgate.workspace.comparing import compare as compare
    from lockgate.workspace.judging import Judge as Judge
    from lockgate.workspace.planning import plan as plan
    from lockgate.workspace.workspace import Workspace as Workspace

_PUBLIC = {
    "Judge": "lockgate.workspace.judging",
    "Policy": "lockgate.records.policy",
    "Verdict": "lockgate.records.evidence",
    "Workspace": "lockgate.workspace.workspace",
    "compare": "lockgate.workspace.comparing",
    "plan": "lockgate.workspace.planning",
}
__all__ = ["Judge", "Policy", "Verdict", "Workspace", "compare", "plan"]


def __getattr__(name: str) -> Any:
    """Public names load their room when first used."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'lockgate' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def _verdict_as_html(verdict: Verdict) -> str:
    from lockgate.report.notebook import html

    return html(verdict)


def _show_in_notebooks() -> None:
    """Imported in a notebook, verdicts show their evidence; nothing is loaded before one is shown."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is not None:
        formatter = shell.display_formatter.formatters["text/html"]
        formatter.for_type_by_name("lockgate.records.evidence", "Verdict", _verdict_as_html)


_show_in_notebooks()
