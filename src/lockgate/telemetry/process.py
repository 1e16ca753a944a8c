"""How this process is: CPU time, memory, open files."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

_STARTED_S = time.time()


def measured(kind: str) -> list[tuple[str, tuple[str, ...], float]]:
    """Series, labels and value; what this system does not tell is left out. kind: a word for what the process does."""
    found: list[tuple[str, tuple[str, ...], float]] = [
        ("lockgate_process_starts_total", (kind,), 1.0),
        ("lockgate_process_cpu_seconds_total", (kind,), time.process_time()),
        ("lockgate_process_start_time_seconds", (kind,), _STARTED_S),
    ]
    memory, files = resident_bytes() or _most_resident_bytes(), _open_files()
    found += [] if memory is None else [("lockgate_process_resident_memory_bytes", (kind,), memory)]
    found += [] if files is None else [("lockgate_process_open_fds", (kind,), files)]
    return found


def resident_bytes(pid: int | None = None) -> float | None:
    """Of this process, or of another; None where the system does not tell, or there is no such process."""
    try:
        return float(Path(f"/proc/{pid or 'self'}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None


def _most_resident_bytes() -> float | None:
    """The most there ever was, where the system does not tell what there is."""
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def _open_files() -> float | None:
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return float(len(os.listdir(folder)))  # noqa: PTH208 - a count, no paths
        except OSError:
            continue
    return None
