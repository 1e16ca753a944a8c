"""What a guard adds to a call: microseconds around a function that does nothing, beside the usual pieces put together.

    python benchmarks/guard_cost.py [PYTHON]

PYTHON is an interpreter with tenacity and pybreaker in an environment of their own; left out, only ours is measured. Ours and
theirs take turns, and the table gives the medians over all rounds: a neighbour on the machine hits all alike.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

CALLS, ROUNDS, TURNS = 2_000, 5, 6
ROW = {"wait": 3.5, "plane": "N14228"}


def bare(row: dict[str, Any]) -> float:  # noqa: ARG001 - it does nothing
    return 0.7


async def bare_async(row: dict[str, Any]) -> float:  # noqa: ARG001
    return 0.7


def sync_us(call: Callable[[dict[str, Any]], float]) -> float:
    began = time.perf_counter()
    for _ in range(CALLS):
        call(ROW)
    return (time.perf_counter() - began) / CALLS * 1e6


def async_us(call: Callable[[dict[str, Any]], Awaitable[float]]) -> float:
    async def scene() -> float:
        began = time.perf_counter()
        for _ in range(CALLS):
            await call(ROW)
        return (time.perf_counter() - began) / CALLS * 1e6

    return asyncio.run(scene())


def ours(folder: Path) -> dict[str, Callable[[], float]]:
    import lockgate as lg

    (folder / "logged" / ".lockgate").mkdir(parents=True)

    def guarded(function: Any, deadline_ms: float | None, *, is_logged: bool, is_split: bool = False) -> Any:
        import os

        os.chdir(folder)
        return lg.guard(
            "late",
            fallback=[0.23],
            task="binary",
            deadline_ms=deadline_ms,
            workspace=folder / "logged" if is_logged else None,
            **({"challenger": lambda row: 0.7, "share": 0.0001, "unit": "plane"} if is_split else {}),  # noqa: ARG005
        )(function)

    found: dict[str, Callable[[], float]] = {}
    for words, is_logged in (("", False), (", logged", True)):
        for name, deadline_ms in (("no deadline", None), ("deadline", 1000.0)):
            call, awaited = (guarded(f, deadline_ms, is_logged=is_logged) for f in (bare, bare_async))
            found[f"sync, {name}{words}"] = lambda call=call: sync_us(call)
            found[f"async, {name}{words}"] = lambda call=awaited: async_us(call)
    split = guarded(bare, None, is_logged=True, is_split=True)
    found["sync, no deadline, logged, split by unit"] = lambda: sync_us(split)
    return found


def rivals(_: Path) -> dict[str, Callable[[], float]]:
    """The same promises as far as they go: a constant where it raises or is late, and a breaker. None keeps a record."""
    import pybreaker
    import tenacity

    once = {"stop": tenacity.stop_after_attempt(1), "retry_error_callback": lambda _: 0.23}
    breaker = pybreaker.CircuitBreaker(fail_max=5, reset_timeout=1)
    pool = ThreadPoolExecutor(32)

    @tenacity.retry(**once)
    @breaker
    def broken(row: dict[str, Any]) -> float:
        return bare(row)

    @tenacity.retry(**once)
    @breaker
    def timed(row: dict[str, Any]) -> float:
        return pool.submit(bare, row).result(timeout=1)

    @tenacity.retry(**once)
    async def awaited(row: dict[str, Any]) -> float:
        return await asyncio.wait_for(bare_async(row), 1)

    return {
        "tenacity + pybreaker, sync, no deadline": lambda: sync_us(broken),
        "tenacity + pybreaker + a thread pool, sync, deadline": lambda: sync_us(timed),
        "tenacity + asyncio.wait_for, async, deadline, no breaker": lambda: async_us(awaited),
    }


def measure(make: Callable[[Path], dict[str, Callable[[], float]]]) -> dict[str, list[float]]:
    with tempfile.TemporaryDirectory() as folder:
        cases = {"bare, sync": lambda: sync_us(bare), "bare, async": lambda: async_us(bare_async)} | make(Path(folder))
        rounds = [{name: case() for name, case in cases.items()} for _ in range(ROUNDS)]
    return {name: [found[name] for found in rounds] for name in cases}


def main(argv: list[str]) -> None:
    if argv[:1] == ["--measure"]:
        print(json.dumps(measure(rivals if argv[1] == "rivals" else ours)))
        return
    found: dict[str, list[float]] = {}
    for _ in range(TURNS):
        for whose, python in (("ours", sys.executable), *(("rivals", python) for python in argv)):
            ran = subprocess.run([python, __file__, "--measure", whose], stdout=subprocess.PIPE, text=True, check=True)
            for name, own in json.loads(ran.stdout).items():
                found.setdefault(name, []).extend(own)
    print("| a call of a function that does nothing | us, median | us, best | us added, median |\n|---|---|---|---|")
    for name, own in found.items():
        floor = found["bare, async" if "async," in name.replace("asyncio", "") else "bare, sync"]
        added = statistics.median(own) - statistics.median(floor)
        print(f"| {name} | {statistics.median(own):.1f} | {min(own):.1f} | {added:.1f} |")


if __name__ == "__main__":
    main(sys.argv[1:])
