"""Load by wrk: so many connections, one body after another, and what came back."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

SCRIPT = Path(__file__).with_name("wrk.lua")


class Shape(NamedTuple):
    """connections: each with one request under way; rows: in one body."""

    connections: int
    rows: int

    @property
    def name(self) -> str:
        return f"{self.connections}x{self.rows}"


SHAPES = (Shape(1, 1), Shape(16, 1), Shape(64, 1), Shape(16, 64))
ONE, SIXTEEN, SIXTY_FOUR, MANY_ROWS = SHAPES


def bodies(shape: Shape, rows: list[dict[str, Any]], body: Any) -> list[str]:
    """As many bodies as there are rows for single ones; a window that moves over them for many."""
    twice, step = rows + rows, 1 if shape.rows == 1 else 16
    return [json.dumps(body(twice[at : at + shape.rows])) for at in range(0, len(rows), step)]


def load(shape: Shape, url: str, path: str, file: Path, seconds: float) -> dict[str, float]:
    """calls, seconds, p50_ms, p99_ms; refused: statuses from 400 on; cut: connections broken; late: over 10 s.

    file: bodies, a line each. One thread of wrk: it does ten times what is asked of it, and leaves the cores to the server.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("wrk is missing: apt-get install -y wrk")
    argv = [
        wrk,
        "-t1",
        f"-c{shape.connections}",
        f"-d{max(1, round(seconds))}s",
        "--timeout",
        "10s",
        "--latency",
        "-s",
        str(SCRIPT),
    ]
    ran = subprocess.run([*argv, url, "--", str(file), path], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise OSError(f"wrk failed: {ran.stderr.strip() or ran.stdout.strip()}")
    found: dict[str, float] = json.loads(ran.stdout.strip().splitlines()[-1])
    return found
