"""Spring: from the table to the first champion, the first broken challenger, and a killed worker."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from lockgate.cli.demo.cast import Cast
from lockgate.cli.demo.world import MODEL, at
from lockgate.errors import LeakError
from lockgate.records import Outcome, Prediction, RolloutState, Routing, Verdict, Version


class Early:
    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        self.stage = cast.stage
        self.ws = cast.workspace

    def data(self) -> None:
        self.stage.beat("Flights, weather and planes become a dataset under a contract; a leak is refused")
        with self.stage.doing("reading 336,776 flights, features as of an hour before departure"):
            self._open_the_year()
            made = self.ws.data(MODEL, self.cast.world.known())
        self.stage.say(
            f"{made.ref}: {made.rows:,} calls, January to March; a Delta table, contract {made.contract[:8]}"
        )
        try:
            self.ws.train(MODEL, features="flights.features:leaky")
            refused = ""
        except LeakError as error:
            refused = str(error)
        self.stage.say(refused)
        self.stage.claim("dep_delay" in refused, "dep_delay as a feature is refused, by name")

    def baselines(self) -> None:
        self.stage.beat("Baselines first, then candidates; every run in MLflow, every version a sealed folder")
        self._extracts()
        for name in ("schedule", "live", "weather"):
            self.cast.train(name)
        shown = list(self.cast.records(Version))
        self.stage.say(f"held out 18-31 March       {'AUC':>6} {'log loss':>9} {'Brier':>7}   compiled")
        for version in shown:
            m = version.metrics
            compiled = "-" if version.parity is None else ("yes" if version.parity.is_passed else "no: served native")
            told = f"{version.name} ({version.lineage.features.rpartition(':')[2]})"
            self.stage.say(f"{told:<26} {m['roc_auc']:>6.3f} {m['log_loss']:>9.4f} {m['brier']:>7.4f}   {compiled}")
        live = self.cast.versions["live"].metrics
        self.stage.claim(live["roc_auc"] > 0.73, f"live features see late flights: AUC {live['roc_auc']:.3f}")
        self.stage.claim(
            all(v.lineage.run for v in shown),
            f"{len(shown)} runs tracked in MLflow, {len(shown)} folders sealed by digest",
        )
        self.stage.look(f"lockgate why {self.cast.versions['live'].short}")

    def gate_and_serve(self) -> None:
        self.stage.beat("The gate, then a champion that serves")
        schedule = self.cast.versions["schedule"]
        found = self.ws.gate(schedule)
        self._say_verdicts(found)
        self.stage.claim(
            found[0].ruling == "fail", "boosted trees on the schedule alone lose to their own baseline, and are refused"
        )
        first = self.ws.version(schedule.baseline or "")
        self._say_verdicts(self.ws.gate(first))
        self.ws.rollout(first)
        with self.stage.doing("starting two workers and the control plane"):
            self.cast.server  # noqa: B018 - starts when first asked for
        answers = self.cast.over_http(at(4, 1, 10))
        self.stage.say(f"{first.short}, on the schedule alone, serves at {self.cast.server.url}/predict/{MODEL}")
        self.stage.say(f"pages at {self.cast.server.pages}")
        self.stage.claim(
            bool(answers) and all(a["value"] >= 0 for a in answers), f"{len(answers)} calls answered over HTTP"
        )
        found = self.ws.gate(self.cast.versions["live"])
        self._say_verdicts(found)
        worst = {v.ruling for v in found}
        self.stage.claim(worst == {"pass"}, "live features pass the gate against baseline and champion")

    def broken_by_contract(self) -> None:
        self.stage.beat("A challenger whose live features default to 0: stopped by its contract, before any outcome")
        zeros = self.cast.train("zeros", "flights.features:live_from_backfill")
        self._say_verdicts(self.ws.gate(zeros))
        self.ws.rollout(zeros)
        began = self.cast.world.now
        for hour in range(10, 16):
            self.cast.over_http(at(4, 1, hour + 1))
            if self.cast.wait(lambda: not self.cast.rollout().is_running, timeout_s=2.0):
                break
        rollout = self.cast.rollout()
        verdict = self.cast.last("guardrail contract_breaks")
        hours = (self.cast.world.now - began).total_seconds() / 3600
        if verdict is not None:
            self.stage.say(verdict.sentence)
            self.stage.look(f"lockgate why {verdict.id}")
        self.stage.claim(
            rollout.state is RolloutState.ROLLED_BACK and verdict is not None and not verdict.evidence.blocks,
            f"rolled back within {hours:.0f} h of traffic; it answered no call, and no outcome was needed",
        )

    def killed(self) -> None:
        self.stage.beat("A worker killed with SIGKILL under load, in the middle of a rollout")
        self.ws.rollout(self.cast.versions["live"])
        caller = self.cast.caller
        with ThreadPoolExecutor(1) as pool:
            calls = pool.submit(self.cast.over_http, at(4, 2))
            self.cast.wait(lambda: calls.done() or self._logged() > 300, timeout_s=10.0)
            pid = self.cast.server.kill_worker()
            answers = calls.result()
        self.cast.turn()
        logged = [e for e in self.ws.wiring.log.read()[0] if isinstance(e, Prediction)]
        kept = {prediction.id for prediction in logged}
        lost = [answer["id"] for answer in answers if answer["id"] not in kept]
        self.stage.say(f"worker {pid} died; {caller.cut} calls in its hands were cut and asked again under the same id")
        self.stage.claim(caller.unanswered == 0, f"all {len(answers)} calls were answered")
        self.stage.claim(not lost, f"no acknowledged prediction lost: {len(kept):,} in the log")
        counted = self._counted()
        self.stage.claim(counted == len(kept), f"none doubled: {counted:,} calls counted")
        alive = self.cast.wait(lambda: pid not in self.cast.server.state["workers"])
        self.stage.claim(alive, "the worker was replaced")

    def promoted(self) -> None:
        self.stage.beat("Live features over the schedule alone: replay, shadow, the ladder, promotion")
        with self.stage.doing("April, day by day, outcomes as flights land"):
            self.cast.in_batches(at(6, 1), lambda: not self.cast.rollout().is_running)
        for move in self.cast.moves():
            self.stage.say(
                f"{move.kind.replace('_', ' '):<8} to {move.share:>4.0%}  {self._day(move.at_s)}  {move.reason}"
            )
        verdict = self.cast.last("worth")
        if verdict is not None:
            self.stage.look(f"lockgate why {verdict.id}")
        routing = self.ws.wiring.records.get(Routing, MODEL)
        self.stage.claim(
            self.cast.rollout().state is RolloutState.PROMOTED
            and routing is not None
            and routing.champion == self.cast.versions["live"].id,
            "the live-features model holds all traffic",
        )

    def drill(self) -> None:
        self.stage.beat("A rollback drill, on the running server")
        back = self.ws.rollback(MODEL, reason="drill")
        seconds = self.cast.server.wait_revision(MODEL, back.revision)
        again = self.ws.rollback(MODEL, reason="end of the drill")
        self.cast.server.wait_revision(MODEL, again.revision)
        self.stage.say(f"the champion before answered at the last worker {seconds * 1000:.0f} ms after the move")
        self.stage.claim(seconds < 1.0, "rollback in under a second")
        self.stage.look(f"lockgate why {back.id}")

    def _open_the_year(self) -> None:
        """The year's calls and events; those before April have happened already."""
        sources = self.cast.flights("sources").read_sources()
        flown = self.cast.flights("journeys").journeys(sources)
        self.cast.enter(self.cast.flights("table").calls(flown, sources), self.cast.flights("events").events(flown))
        for source, events in self.cast.world.happened().items():
            self.ws.events(source, events)

    def _extracts(self) -> None:
        """What somebody's feature job left: an extract that was filled for training and has no feed."""
        past = self.cast.world.known()
        fresh = self.cast.flights("stale").fresh(self.ws, past, self.cast.world.events)
        self.cast.flights("extract").write("backfill.npz", past["flight_id"].to_list(), fresh)

    def _say_verdicts(self, found: list[Verdict]) -> None:
        for verdict in found:
            self.stage.say(f"{verdict.ruling.upper():<9} {verdict.sentence}  ({verdict.id})")

    def _logged(self) -> int:
        return sum(isinstance(entry, Prediction) for entry in self.ws.wiring.log.read()[0])

    def _counted(self) -> int:
        """Calls as the watch counts them: by id, once."""
        from lockgate.monitor.fold import Fold

        fold = Fold(MODEL, horizon_s=0.0)
        fold.feed(e for e in self.ws.wiring.log.read()[0] if isinstance(e, Prediction | Outcome))
        return len(fold.open_calls())

    @staticmethod
    def _day(seconds: float) -> str:
        from lockgate.report.words import day

        return f"{day(seconds):<12}"
