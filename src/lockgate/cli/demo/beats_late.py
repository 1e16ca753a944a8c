"""The rest of the year: an honest "not yet", a stale feed, a drift that does not matter and a decay that does."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from lockgate.cli.demo.cast import Cast
from lockgate.cli.demo.stage import Stage
from lockgate.cli.demo.world import MODEL, at
from lockgate.records import Alarm, Retraining, RolloutSpec, RolloutState, Routing
from lockgate.records.drift import DriftFound
from lockgate.report import ledger
from lockgate.workspace.workspace import Workspace

YEAR_END = at(12, 31)
SHADOW_ONLY = ("replay", "shadow", 1.0)  # nobody is exposed until worth is proved
RETRAINING_S = 900.0


class Late:
    cast: Cast
    stage: Stage
    ws: Workspace

    def weather_in_april(self) -> None:
        self.stage.beat("The weather model, on April's calls: an honest verdict is 'not yet'")
        weather = self.cast.versions["weather"]
        for verdict in self.ws.gate(weather):
            self.stage.say(f"{verdict.ruling.upper():<9} {verdict.sentence}  ({verdict.id})")
        spec = self._spec(ladder=SHADOW_ONLY, deadline="5d")
        for refusal in self.ws.plan(weather, spec=spec).refusals:
            self.stage.say(f"the plan refuses: {refusal}")
        self.ws.rollout(weather, spec=spec, anyway=True)
        with self.stage.doing("replaying the logged calls of April, then five days of shadow"):
            self.cast.in_batches(self.cast.world.now + timedelta(days=8), lambda: not self.cast.rollout().is_running)
        worth = self.cast.last("worth")
        rollout = self.cast.rollout()
        if worth is not None:
            self.stage.say(worth.sentence)
            self.stage.look(f"lockgate why {worth.id}")
        self.stage.claim(
            worth is not None and worth.ruling == "undecided" and rollout.state is RolloutState.UNDECIDED,
            "neither promoted nor called worse: at its deadline the champion keeps the traffic",
        )

    def stale(self) -> None:
        self.stage.beat("A challenger whose live features are a day old: ranges look fine, the shadow tells")
        with self.stage.doing("its extract, filled for training, a day late ever since"):
            self._nightly()
        dataset = self.ws.data(MODEL, self.cast.world.known())
        stale = self.cast.train("stale", "flights.features:live_from_nightly")
        self.stage.say(f"trained on {dataset.ref}")
        for verdict in self.ws.gate(stale):
            self.stage.say(f"{verdict.ruling.upper():<9} {verdict.sentence}  ({verdict.id})")
        self.ws.rollout(stale, spec=self._spec(ladder=SHADOW_ONLY))
        began = self.cast.world.now
        with self.stage.doing("shadow, day by day"):
            self.cast.in_batches(began + timedelta(days=62), lambda: not self.cast.rollout().is_running)
        self._say_end(began)
        self.stage.claim(
            self.cast.rollout().state is RolloutState.ROLLED_BACK and self.cast.rollout().step.kind == "shadow",
            "the stale challenger was stopped in shadow: nobody got its answers",
        )

    def summer(self) -> None:
        self.stage.beat("Summer: a drift that does not matter, a decay that does")
        with self.stage.doing("on through the year until something must be told"):
            self.cast.in_batches(at(11, 15), lambda: any(a.cause == "degradation" for a in self._alarms()))
        for alarm in self._alarms():
            self.stage.say(f"{alarm.severity:<6} {self._when(alarm.at_s)}  {alarm.sentence}")
        found = [one for drift in self.cast.records(DriftFound) for one in drift.moved]
        moved = [one for one in found if one.name == "temp"]
        self.stage.claim(
            any(one.is_listed for one in moved) and not any(one.weight for one in moved),
            "temperature has drifted far, and is ranked low: the champion does not use it",
        )
        pages = [alarm for alarm in self._alarms() if alarm.severity == "page"]
        self.stage.claim(bool(pages), "the loss of skill pages somebody, with the next command")
        for alarm in pages:
            self.stage.look(alarm.next)

    def retrained(self) -> None:
        self.stage.beat("Retraining: the same recipe on what is known by now, the same gate, the same ladder")
        with self.stage.doing("the server's loop retrains: rows from the log, windows compared, the recipe replayed"):
            self.cast.wait(lambda: bool(self._retrained()), timeout_s=RETRAINING_S)
        done = self._retrained()
        if not done or done[-1].version is None:
            self.stage.claim(False, f"the loop retrained by itself: {done[-1].sentence if done else 'nothing came'}")
            return
        made = self.ws.version(done[-1].version)
        for line in self.ws.why(done[-1].id).lines:
            self.stage.say(line)
        self.stage.look(f"lockgate why {made.short}")
        # Few days lie between the alarm and what it was trained on: its plan asks for more of them than the loop's 60.
        self.ws.rollout(made, spec=self._spec(prove="not worse", deadline="180d"))
        began = self.cast.world.now
        with self.stage.doing("shadow and ladder, day by day"):
            self.cast.in_batches(YEAR_END, lambda: not self.cast.rollout().is_running)
        self._say_end(began)
        rollout = self.cast.rollout()
        if rollout.is_running:
            self.stage.not_yet("the year ended before the retrained version was proved")
        routing = self.ws.wiring.records.get(Routing, MODEL)
        self.stage.claim(routing is not None and routing.champion == made.id, "the retrained version is champion")

    def ledger(self) -> None:
        self.stage.beat("The ledger")
        found = ledger.verify_records(self.ws.wiring.records)
        self.stage.claim(found.broken is None, f"{found.entries} verdicts, moves and alarms, one chain, unbroken")
        self.stage.look("lockgate why --verify")
        self.stage.not_yet("the readiness score (`lockgate ready`); it comes with the checklist")

    def _spec(self, **changes: object) -> RolloutSpec:
        return msgspec.structs.replace(self.ws.model(MODEL).rollout, **changes)

    def _nightly(self) -> None:
        """Right for every flight asked about so far, a day old for every later one."""
        stale, world = self.cast.flights("stale"), self.cast.world
        is_new = pl.col("asked_at") >= world.now
        past, coming = world.calls.filter(~is_new), world.calls.filter(is_new)
        fresh: NDArray[np.float32] = stale.fresh(self.ws, past, world.events)
        old: NDArray[np.float32] = stale.day_old(self.ws, coming, world.events)
        flights = [*past["flight_id"].to_list(), *coming["flight_id"].to_list()]
        self.cast.flights("extract").write("nightly.npz", flights, np.concatenate([fresh, old]))

    def _say_end(self, began: datetime) -> None:
        days = (self.cast.world.now - began).days
        last = self.cast.moves()[-1]
        self.stage.say(f"{last.kind.replace('_', ' ')} after {days} days: {last.reason}")
        self.stage.look(f"lockgate why {self.cast.rollout().id}")

    def _retrained(self) -> list[Retraining]:
        return [one for one in self.cast.records(Retraining) if not one.is_under_way]

    def _alarms(self) -> list[Alarm]:
        return self.cast.records(Alarm)

    @staticmethod
    def _when(seconds: float) -> str:
        from lockgate.report.words import day

        return f"{day(seconds):<12}"
