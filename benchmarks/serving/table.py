"""Write the tables of docs/benchmarks.md, between its markers, out of what `run.py --out` kept.

    python benchmarks/serving/table.py [RESULTS]

A ratio of two servers is the ratio of their shares of the floor that was measured directly before and after each.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
PAGE = HERE.parents[1] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- serving: begin, written by benchmarks/serving/table.py -->", "<!-- serving: end -->"
ONE, SIXTEEN, SIXTY_FOUR, MANY = "1x1", "16x1", "64x1", "16x64"
OURS, NATIVE, GUEST = "lockgate", "lockgate-native", "lockgate-guest"
BATCHING = ("litserve", "bentoml", "ray-serve", "mlserver")
NAMES = {
    OURS: "Lockgate, compiled",
    NATIVE: "Lockgate, native, made here",
    GUEST: "Lockgate, native, imported",
    "fastapi": "FastAPI + scikit-learn",
    "litserve": "LitServe",
    "bentoml": "BentoML",
    "ray-serve": "Ray Serve",
    "mlserver": "MLServer",
    "mlflow": "MLflow's scoring server",
}
BESIDE = ("lockgate.server.control", "lockgate.server.mirroring")  # the loop and the pages, which answer no call

Result = dict[str, Any]
Results = dict[str, Result]


class Limit(NamedTuple):
    """What was asked of us, and what was measured; both in words, and whether it holds."""

    what: str
    asked: str
    found: str
    is_met: bool


def of_floor(result: Result, shape: str) -> float:
    return float(result["shapes"][shape]["of_floor"])


def it(result: Result, shape: str) -> dict[str, float]:
    found: dict[str, float] = result["shapes"][shape]["it"]
    return found


def memory(result: Result) -> float:
    return float(sum(result["pss_mb"].values()))


def serving(result: Result) -> float:
    """Memory of the processes that answer calls, and of their parent."""
    return sum(float(value) for what, value in result["pss_mb"].items() if not what.startswith(BESIDE))


def times(results: Results, ours: str, other: str, shape: str) -> float:
    return of_floor(results[ours], shape) / of_floor(results[other], shape)


def limits(results: Results) -> Iterator[Limit]:
    """Those whose servers were measured."""
    known = [name for name in BATCHING if name in results]
    share = of_floor(results[OURS], SIXTEEN)
    yield Limit("calls/s at 16 connections, of the floor's", "at least .7", f"{share:.2f}", share >= 0.7)
    if known:
        best = max(known, key=lambda name: of_floor(results[name], SIXTEEN))
        yield _at_least(results, OURS, best, SIXTEEN, 25, f"calls/s, over the best that batch ({NAMES[best]})")
    for name, least in (("fastapi", 40), ("mlflow", 200)):
        if name in results:
            yield _at_least(results, OURS, name, SIXTEEN, least, f"calls/s, over {NAMES[name]}")
    if "fastapi" in results:
        yield _at_least(results, OURS, "fastapi", MANY, 15, "rows/s in bodies of 64, over FastAPI + scikit-learn")
    others = [name for name in results if name not in (OURS, NATIVE, GUEST)]
    if others:
        least = min(others, key=lambda name: it(results[name], SIXTEEN)["p99_ms"])
        mine, theirs = (it(results[name], SIXTEEN)["p99_ms"] for name in (OURS, least))
        yield Limit(f"p99, over the lowest ({NAMES[least]})", "below 1", f"{mine / theirs:.3f}", mine < theirs)
    for name in (NATIVE, GUEST):
        if name in results and known:
            yield _at_least(results, name, best, SIXTEEN, 1, f"{NAMES[name]}: calls/s, over the best that batch")
    if "fastapi" in results:
        whole, part = (size(results[OURS]) / memory(results["fastapi"]) for size in (memory, serving))
        told = f"{whole:.2f}; {part:.2f} without the loop and the pages"
        yield Limit("memory, of FastAPI + scikit-learn's", "at most .5", told, whole <= 0.5)
    ready = results[OURS]["ready_s"]
    yield Limit("first answer after the start", "under 2 s", f"{ready:.2f} s", ready < 2)


def _at_least(results: Results, ours: str, other: str, shape: str, least: float, what: str) -> Limit:
    found = times(results, ours, other, shape)
    return Limit(what, f"at least {least:g} times", f"{found:.3g} times", found >= least)


def tables(results: Results) -> str:
    wrong = [
        f"{NAMES[name]} at {shape}: {int(sum(it(result, shape)[key] for key in ('refused', 'cut', 'late')))}"
        for name, result in results.items()
        for shape in result["shapes"]
        if any(it(result, shape)[key] for key in ("refused", "cut", "late"))
    ]
    lines = [
        f"{_rounds(results)} Calls that were refused, cut or late: {'; '.join(wrong) or 'none'}.",
        "",
        "| asked | limit | measured | |",
        "| --- | --: | --: | --- |",
        *(
            f"| {one.what} | {one.asked} | {one.found} | {'met' if one.is_met else '**not met**'} |"
            for one in limits(results)
        ),
        "",
        "| at 16 connections, one row | version | calls/s | of the floor | we are | p50 ms | p99 ms | CPU ms a call |",
        "| --- | --- | --: | --: | --: | --: | --: | --: |",
        *(_at_sixteen(results, name) for name in NAMES if name in results),
        "",
        "| calls/s (or rows/s), p99 ms | 1 connection | 64 connections | bodies of 64 rows | memory MB | ready s |",
        "| --- | --: | --: | --: | --: | --: |",
        *(_elsewhere(results[name], name) for name in NAMES if name in results),
    ]
    return "\n".join(lines)


def _rounds(results: Results) -> str:
    days = sorted({result["day"] for result in results.values()})
    rounds = sorted({(result["rounds"], result["seconds"]) for result in results.values()})
    told = " or ".join(f"{count} round{'s' * (count > 1)} of {seconds:g} s" for count, seconds in rounds)
    floor = results[OURS]["shapes"][SIXTEEN]["floor"]
    return (
        f"Measured {' to '.join(days[:1] + days[-1:] if len(days) > 1 else days)}, medians of {told}. Beside Lockgate the "
        f"floor did {floor['calls_s']:,.0f} calls/s at 16 connections, p99 {floor['p99_ms']:.2f} ms."
    )


def _at_sixteen(results: Results, name: str) -> str:
    result, here = results[name], it(results[name], SIXTEEN)
    faster = "" if name == OURS else f"{times(results, OURS, name, SIXTEEN):.3g} times"
    return (
        f"| {NAMES[name]} | {result['version']} | {here['calls_s']:,.0f} | {of_floor(result, SIXTEEN):.3g} | {faster} "
        f"| {here['p50_ms']:.2f} | {here['p99_ms']:.2f} | {here['cpu_us'] / 1e3:.3g} |"
    )


def _elsewhere(result: Result, name: str) -> str:
    one, many, rows = (it(result, shape) for shape in (ONE, SIXTY_FOUR, MANY))
    apart = f" ({serving(result):.0f} without the loop and the pages)" if name in (OURS, NATIVE, GUEST) else ""
    return (
        f"| {NAMES[name]} | {one['calls_s']:,.0f}, {one['p99_ms']:.2f} | {many['calls_s']:,.0f}, {many['p99_ms']:.2f} "
        f"| {64 * rows['calls_s']:,.0f}, {rows['p99_ms']:.1f} | {memory(result):.0f}{apart} | {result['ready_s']:.1f} |"
    )


def main(results: Path) -> None:
    page = PAGE.read_text()
    before, after = page.partition(BEGIN)[0], page.partition(END)[2]
    if not after:
        raise SystemExit(f"The markers are gone from {PAGE.name}.")
    PAGE.write_text(f"{before}{BEGIN}\n\n{tables(json.loads(results.read_text()))}\n\n{END}{after}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS)
