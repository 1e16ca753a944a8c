"""How many cores this process may use: what `--workers` is where nobody says it."""

from __future__ import annotations

import math
import os
from pathlib import Path

MOST = 16  # a worker costs some 100 MB; more than this many is a thing to decide


def workers(root: Path = Path("/")) -> int:
    """One for each core, between 1 and 16: of those that this process may run on, as far as its cgroup's quota goes."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(MOST, allowed, quota(root))))


def quota(root: Path = Path("/")) -> float:
    """Cores' worth of time that the cgroup may have, infinite where nobody bounds it: the least along the way up, for a
    bound holds for all below it. In a container the own cgroup is the root of what can be seen.
    """
    found = math.inf
    for group in _groups(root):
        found = min(found, _second(group / "cpu.max"), _first(group))
    return found


def _groups(root: Path) -> list[Path]:
    """Folders from the own cgroup up to the root, of version 2 and of the cpu controller of version 1."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found: list[Path] = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "" or "cpu" in controllers.split(","):
            top = root / "sys/fs/cgroup" / ("cpu" if controllers else "")
            own = top / path.lstrip("/")
            found += [own, *(parent for parent in own.parents if parent.is_relative_to(top))]
    return found


def _second(file: Path) -> float:
    """`50000 100000` is half a core; `max 100000` is no bound."""
    try:
        told, period = file.read_text().split()
        return math.inf if told == "max" else int(told) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf


def _first(group: Path) -> float:
    """Version 1 writes the same in two files, and -1 for no bound."""
    try:
        told = int((group / "cpu.cfs_quota_us").read_text())
        return told / int((group / "cpu.cfs_period_us").read_text()) if told > 0 else math.inf
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf
