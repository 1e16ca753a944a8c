"""Lockgate: from a training table to guarded production. Every change of traffic is a verdict."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lockgate.workspace.workspace import Workspace as Workspace

_PUBLIC = {"Workspace": "lockgate.workspace.workspace"}
__all__ = ["Workspace"]


def __getattr__(name: str) -> Any:
    """Public names load their room when first used."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'lockgate' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
