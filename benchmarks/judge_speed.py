"""What an outcome costs a judge, beside a plain z test that looks after every outcome of the same stream.

    python benchmarks/judge_speed.py

Limits: 0.2 us an outcome in batches of 10,000, 10 us one at a time, 100 kB of state beside the units. Each figure is the
median CPU time of rounds in which both take turns; machines differ, so the ratio is what to read. The z test keeps no
state, knows no units and no shares, and its error rate does not hold: it is here as the least that looking after every
outcome can cost.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

import lockgate as lg

BATCH, ROUNDS = 10_000, 60
SINGLE = 3_000
SHARE = 0.05
KINDS = {"rate, 1 % fail": ("rate", 0.01), "rate, 50 % fail": ("rate", 0.5), "accuracy, 10 % wrong": ("accuracy", 0.1)}
KINDS |= {"latency": ("latency", 0.0), "paired, 1 % fail": ("paired", 0.01)}


class RepeatedZ:
    """Two-proportion z after every outcome."""

    def __init__(self) -> None:
        self.sums = np.zeros(4)

    def observe_batch(self, arm: np.ndarray, value: np.ndarray) -> float:
        is_canary = arm == 1
        parts = (is_canary, is_canary * value, ~is_canary, ~is_canary * value)
        n1, x1, n0, x0 = (before + np.cumsum(now) for before, now in zip(self.sums, parts, strict=True))
        with np.errstate(divide="ignore", invalid="ignore"):
            pooled = (x1 + x0) / (n1 + n0)
            z = (x1 / n1 - x0 / n0) / np.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n0))
        self.sums = np.array([n1[-1], x1[-1], n0[-1], x0[-1]])
        return float(np.nanmax(z))


def stream(kind: str, rate: float, size: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Both arms alike, so that nothing is decided."""
    arm = (rng.random(size) < SHARE).astype(np.int64)
    value = np.exp(rng.normal(3, 0.5, size)) if kind == "latency" else (rng.random(size) < rate).astype(np.float64)
    found = {"arm": arm, "value": value, "canary_share": np.full(size, SHARE)}
    return found | {"shadow": (rng.random(size) < rate).astype(np.float64)} if kind == "paired" else found


def seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def batches(kind: str, rate: float) -> tuple[float, float, float]:
    """Microseconds an outcome: the judge's, the z test's; and the judge's state in bytes."""
    rng = np.random.default_rng(1)
    judge, rival = lg.Judge(lg.Policy(kind=kind, alpha=1e-9)), RepeatedZ()  # type: ignore[arg-type]
    own, theirs = [], []
    for _ in range(ROUNDS):
        rows = stream(kind, rate, BATCH, rng)
        own.append(seconds(lambda rows=rows: judge.observe_batch(**rows)))
        theirs.append(
            seconds(
                lambda rows=rows: rival.observe_batch(
                    rows["arm"], rows["value"] > np.e**3 if kind == "latency" else rows["value"]
                )
            )
        )
    return 1e6 * np.median(own) / BATCH, 1e6 * np.median(theirs) / BATCH, float(len(judge.state()))


def one_by_one(kind: str, rate: float) -> float:
    rng = np.random.default_rng(2)
    judge = lg.Judge(lg.Policy(kind=kind, alpha=1e-9))  # type: ignore[arg-type]
    taken = []
    for _ in range(5):
        rows = stream(kind, rate, SINGLE, rng)
        calls = [dict(zip(rows, row, strict=True)) for row in zip(*(c.tolist() for c in rows.values()), strict=True)]
        taken.append(seconds(lambda calls=calls: [judge.observe(**call) for call in calls]))
    return 1e6 * np.median(taken) / SINGLE


def main() -> None:
    print(
        f"{'':<22}{'in batches':>12}{'of limit':>10}{'repeated z':>12}{'ratio':>8}{'alone':>10}{'of limit':>10}{'state':>10}"
    )
    for name, (kind, rate) in KINDS.items():
        own, theirs, size = batches(kind, rate)
        alone = one_by_one(kind, rate)
        print(
            f"{name:<22}{own:>9.3f} us{own / 0.2:>10.2f}{theirs:>9.3f} us{own / theirs:>8.2f}"
            f"{alone:>7.2f} us{alone / 10:>10.2f}{size / 1000:>7.1f} kB"
        )


if __name__ == "__main__":
    main()
