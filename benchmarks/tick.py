"""CPU of one tick of the loop over 20 models with rollouts under way: idle, and with 1e3, 1e4 and 1e5 new records.

    python benchmarks/tick.py [--profile]

No rival: what moves traffic elsewhere judges no calls. The limit is 50 ms and .3 us a new record; the floor told beside it is
what reading and decoding those records from their segments costs by itself. Each model has a rollout in its 5 % step with 20
days of pairs; the old workspace has three years of blocks and 1,000 verdicts beside. CPU is the whole process's.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lockgate.decide import ladder
from lockgate.decide.judgement import Judgement
from lockgate.decide.worth import worth
from lockgate.monitor.verdicts import verdict
from lockgate.records import (
    Block,
    Cell,
    Column,
    ColumnProfile,
    Contract,
    Facet,
    ModelSpec,
    Outcome,
    PairBlock,
    Prediction,
    Profile,
    Rollout,
    RolloutSpec,
    RolloutState,
    Routing,
    Shadow,
    Verdict,
    WorkspaceSpec,
    encode,
)
from lockgate.records.drift import CountedDay
from lockgate.records.prediction import LogEntry
from lockgate.store.segments import SegmentLog
from lockgate.workspace.loop import Loop
from lockgate.workspace.wire import Wiring, wire

MODELS, COLUMNS, ROUNDS, IDLE = 20, 10, 3, 20
DAY_S = 86_400.0
START_S = 1.7e9 // DAY_S * DAY_S
YOUNG, OLD = (20, 20), (3 * 365, 1_000)  # days of blocks a model, verdicts in all
NAMES = tuple(f"model{number:02d}" for number in range(MODELS))
PAIRS = 20


class Clock:
    """Wall time as the benchmark turns it: two seconds a tick."""

    def __init__(self) -> None:
        self.now_s = START_S

    def __call__(self) -> float:
        return self.now_s


def workspace(folder: Path, clock: Clock, age: tuple[int, int]) -> Wiring:
    spec = WorkspaceSpec(model={name: ModelSpec(target="y", time="asked_at") for name in NAMES})
    wiring = wire(folder, spec, clock)
    columns = tuple(Column(name=f"x{place}", type="float") for place in range(COLUMNS))
    cells = tuple(
        ColumnProfile(
            name=c.name,
            kind="number",
            facets=(Facet(name="value", edges=tuple(np.linspace(0, 1, 19).tolist()), counts=(50,) * 20),),
        )
        for c in columns
    )
    for name in NAMES:
        place = wiring.home / "versions" / f"{name}-old"
        place.mkdir(parents=True)
        contract = Contract(
            model=name, columns=(*columns, Column(name="y", type="int", is_known_before=False)), target="y"
        )
        (place / "contract.json").write_bytes(encode(contract))
        (place / "profile.json").write_bytes(encode(Profile(rows=1_000, columns=cells)))
        begin(wiring, name, age, cells)
    return wiring


def begin(wiring: Wiring, name: str, age: tuple[int, int], cells: tuple[ColumnProfile, ...]) -> None:
    """A model's past, and its rollout, begun 20 days ago."""
    rng = np.random.default_rng([9, NAMES.index(name)])
    spec = RolloutSpec()
    gains = tuple(float(gain) for gain in 0.01 * rng.standard_normal(60))
    rollout = Rollout(
        id=f"r-{name}",
        model=name,
        champion=f"{name}-old",
        challenger=f"{name}-new",
        spec=spec,
        steps=ladder.steps(spec),
        at=2,
        state=RolloutState.RUNNING,
        started_s=START_S - PAIRS * DAY_S,
        stepped_s=START_S - DAY_S,
        deadline_s=START_S + 60 * DAY_S,
        not_worse_by=0.002,
        history=gains,
        replayed=True,
    )
    routing = Routing(
        model=name,
        revision=3,
        champion=rollout.champion,
        baseline=None,
        constant=0.5,
        challenger=rollout.challenger,
        rollout=rollout.id,
        salt=rollout.id,
        share=0.05,
        shadow=True,
        time="asked_at",
    )
    days, verdicts = age
    profile = Profile(rows=1_000, columns=cells)
    starts = [START_S - (days - day) * DAY_S for day in range(days)]
    blocks = [block(name, start_s) for start_s in starts]
    counted = [CountedDay(model=name, version=rollout.champion, start_s=s, profile=profile) for s in starts]
    pairs = [pair(rollout, START_S - (PAIRS - day) * DAY_S, gains[day]) for day in range(PAIRS)]
    wiring.records.write(
        rollout, routing, *blocks, *counted, *pairs, *judged(rollout, pairs), *past(name, verdicts // MODELS)
    )


def block(name: str, start_s: float) -> Block:
    return Block(
        model=name,
        start_s=start_s,
        end_s=start_s + DAY_S,
        champion=f"{name}-old",
        calls=1_000,
        labelled=1_000,
        scored=1_000,
        loss=500.0,
        base_loss=600.0,
        outcome_sum=300.0,
        failures=2,
    )


def pair(rollout: Rollout, start_s: float, difference: float) -> PairBlock:
    return PairBlock(
        model=rollout.model,
        rollout=rollout.id,
        start_s=start_s,
        end_s=start_s + DAY_S,
        champion=rollout.champion,
        challenger=rollout.challenger,
        scored=1_000,
        champion_loss=500.0,
        challenger_loss=500.0 + 1_000 * difference,
        cells=(Cell(share=0.05, calls=(950, 50), pairs=1_000),),
    )


def judged(rollout: Rollout, pairs: list[PairBlock]) -> list[Verdict]:
    """Worth as it stands, undecided, after each of the last days."""
    values = np.array([one.difference for one in pairs])
    known = {"metric": "log_loss", "not_worse_by": 0.0, "history": np.array(rollout.history)}
    items = [worth(rollout.spec, differences=values[:day], **known) for day in range(PAIRS - 2, PAIRS + 1)]
    return [ruled(item, rollout.model, rollout.id, rollout.started_s + n) for n, item in enumerate(items)]


def past(name: str, count: int) -> list[Verdict]:
    """Verdicts of rollouts that ended long ago, each with the path of its 40 days."""
    values = 0.01 * np.random.default_rng(4).standard_normal(40)
    item = worth(
        RolloutSpec(), metric="log_loss", not_worse_by=0.0, differences=values, history=np.tile(values, 2)[:60]
    )
    return [ruled(item, name, f"r-before-{n // 20}", START_S - (500 - n) * DAY_S) for n in range(count)]


def ruled(item: Judgement, name: str, rollout: str, at_s: float) -> Verdict:
    return verdict(item, model=name, subject=(f"{name}-new", f"{name}-old"), rollout=rollout, at_s=at_s, now_s=at_s)


def records(number: int, many: int, since_s: float) -> list[LogEntry]:
    """Calls that both versions score, and outcomes of some, spread over the models and two seconds."""
    found: list[LogEntry] = []
    for place in range(many // 5 * 2):
        name, asked_s = NAMES[place % MODELS], since_s + 2 * place / (many // 5 * 2)
        known = {"id": f"{number}-{place}", "model": name, "asked_s": asked_s, "rollout": f"r-{name}"}
        found.append(
            Prediction(
                **known,
                unit=f"u{place}",
                answered_s=asked_s,
                arm="champion",
                version=f"{name}-old",
                served_by=f"{name}-old",
                value=0.3,
                latency_ms=1.0,
                share=0.05,
                inputs=tuple(place / (column + 7) for column in range(COLUMNS)),
            )
        )
        found.append(Shadow(**known, version=f"{name}-new", value=0.31, latency_ms=1.2))
        if place % 2:
            found.append(Outcome(id=known["id"], model=name, value=1.0, at_s=asked_s, received_s=asked_s))
    return found


def cpu(do: Callable[[], object]) -> float:
    before = time.process_time()
    do()
    return time.process_time() - before


class Bench:
    """One workspace, turned tick by tick."""

    def __init__(self, folder: Path, age: tuple[int, int]) -> None:
        self.clock = Clock()
        self.wiring = workspace(folder, self.clock, age)
        self.writer = self.wiring.log.writer()
        self.loop = Loop(self.wiring)
        self._number = 0
        self.floor: list[float] = []
        for _ in range(3):
            self.tick(100)

    def tick(self, many: int) -> float:
        """CPU seconds of a tick with so many new records; what reading them alone took is kept in `floor`."""
        if many:
            before = SegmentLog(self.wiring.home / "log")
            _, cursor = before.read(None)
            entries = records(self._number, many, self.clock.now_s)
            for start in range(0, len(entries), 100):
                self.writer.append(entries[start : start + 100])
            del entries
            self._number += 1
            self.floor.append(cpu(lambda: before.read(cursor)))
        self.clock.now_s += 2.0
        gc.collect()
        return cpu(self.loop.tick)


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--profile", action="store_true", help="where a tick's time goes")
    args = asked.parse_args()
    for name, age in (("young", YOUNG), ("three years, 1,000 verdicts", OLD)):
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(Path(folder), age)
            idle = [bench.tick(0) for _ in range(IDLE)]
            print(f"{name}: idle {1e3 * np.median(idle):.1f} ms (least {1e3 * min(idle):.1f})")
            for many in (1_000, 10_000, 100_000):
                bench.floor.clear()
                spent = float(np.median([bench.tick(many) for _ in range(ROUNDS)]))
                floor = float(np.median(bench.floor))
                each = 1e6 * (spent - float(np.median(idle))) / many
                print(
                    f"{name}: {many:,} new records {1e3 * spent:.1f} ms: {each:.2f} us each over idle, floor "
                    f"{1e6 * floor / many:.2f} us, {each / (1e6 * floor / many):.1f} times"
                )
            if args.profile:
                for many in (0, 100_000):
                    told(bench, many)


def told(bench: Bench, many: int) -> None:
    profile = cProfile.Profile()
    bench.tick(100)
    profile.enable()
    for _ in range(3):
        bench.tick(many)
    profile.disable()
    pstats.Stats(profile).sort_stats("tottime").print_stats(35)


if __name__ == "__main__":
    main()
