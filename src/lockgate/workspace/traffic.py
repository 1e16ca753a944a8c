"""Traffic: rollouts, what a person decides of them, and the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from lockgate.decide import ladder
from lockgate.decide.ab_plan import AbPlan
from lockgate.decide.ab_result import AbResult
from lockgate.decide.budget import remaining
from lockgate.errors import SpecError
from lockgate.features.differing import differences, refuse_apart
from lockgate.records import (
    ModelSpec,
    Move,
    Override,
    OverrideKind,
    Rollout,
    RolloutSpec,
    Routing,
    Spend,
    Step,
    Verdict,
    Version,
)
from lockgate.records.plan import Plan
from lockgate.release.controller import Controller
from lockgate.release.overriding import Asked, Overriding
from lockgate.release.start import begin, check_gates, check_servable, check_whole, first_routing
from lockgate.release.start_ab import refuse_pairs
from lockgate.workspace import ab as trials
from lockgate.workspace import budget, planning
from lockgate.workspace.opened import Opened, person


class Traffic(Opened):
    """Each a command of the same words."""

    def plan(self, version: Version | str, *, spec: RolloutSpec | None = None) -> Plan:
        """What a rollout of the version would take. Raises SpecError for a model's first, which takes the traffic at once."""
        asked = self.version(version) if isinstance(version, str) else version
        routing = self._wiring.records.get(Routing, asked.model)
        if routing is None:
            raise SpecError(f"{asked.model} has no champion yet: its first version takes the traffic at once.")
        return planning.of_version(self._wiring.records, self._planned(asked.model, spec), asked, routing.champion)

    def foretold(self, version: Version | str, *, spec: RolloutSpec | None = None, dirty: bool = False) -> Plan:
        """The plan of a rollout that could start now; nothing is written. Raises as `rollout` does, but for its refusals."""
        asked = self.version(version) if isinstance(version, str) else version
        found = self.plan(asked, spec=spec)
        self._check(asked, dirty=dirty)
        self._begun(asked, spec, self._controller(asked.model).routing)
        return found

    def alpha_left(self, model: str) -> float:
        """What the model's gates and rollouts may still spend, now by event time."""
        spends = self._wiring.records.all(Spend, model)
        return remaining(self.model(model).budget, spends, self.event_s(model))

    def rollout(
        self,
        version: Version | str,
        *,
        by: str | None = None,
        spec: RolloutSpec | None = None,
        anyway: bool = False,
        dirty: bool = False,
    ) -> Move:
        """The first champion takes the traffic at once; any later version starts at the foot of the ladder.

        Raises SpecError where the plan says that it would never decide, or not in time, unless asked for `anyway`; and
        where its gates would spend more alpha than the model's budget has left; and for a version made from a tree that
        differed from its commit, unless `dirty`.
        """
        asked = self.version(version) if isinstance(version, str) else version
        self._check(asked, dirty=dirty)
        controller, now_s = self._controller(asked.model), self._wiring.clock()
        before = self._wiring.records.get(Routing, asked.model)  # first of all that the start rests on
        if before is None:
            standing = check_gates(asked, self._wiring.records.all(Verdict, asked.model), None)
            return controller.install(
                first_routing(asked, self.model(asked.model)), standing, event_s=self.event_s(asked.model), now_s=now_s
            )
        started = self._begun(asked, spec, before)
        plan = self._foretold(asked, spec, anyway=anyway)
        if plan is not None and plan.refusals and not anyway:
            raise SpecError(
                f"{asked.short} is not rolled out: {' '.join(plan.refusals)}",
                cure=f"See the plan: lockgate plan {asked.short}; or go on all the same with --anyway.",
            )
        started = msgspec.structs.replace(started, plan=plan)
        by = by or person()
        draws = budget.of_rollout(started, event_s=started.started_s, now_s=now_s, by=by)
        return controller.start(
            started,
            event_s=started.started_s,
            now_s=now_s,
            by=by,
            before=before,
            spends=draws,
            budget=self.model(asked.model).budget,
        )

    def hold(self, model: str, *, reason: str, by: str | None = None) -> Override:
        """The running rollout stays at its step whatever is proved; harm still ends it, and so does its deadline."""
        return self._overriding(model).lasting(self._asked(model, "hold", reason, by))

    def resume(self, model: str, *, reason: str, by: str | None = None) -> Override:
        """A rollout that is held goes on."""
        return self._overriding(model).lasting(self._asked(model, "resume", reason, by))

    def approve(self, model: str, *, reason: str, by: str | None = None, step: str | float | None = None) -> Override:
        """The next step may be entered once its verdicts are there. step: a later one, as the ladder names it."""
        later = None if step is None else ladder.step(step)
        return self._overriding(model).lasting(self._asked(model, "approve", reason, by, step=later))

    def widen(self, model: str, *, alpha: float, reason: str, by: str | None = None) -> Override:
        """A larger alpha for the running rollout, drawn from the budget. Raises SpecError after the first look."""
        return self._overriding(model).lasting(self._asked(model, "widen", reason, by, alpha=alpha))

    def promote(self, model: str, *, reason: str, by: str | None = None, version: Version | str | None = None) -> Move:
        """The challenger becomes champion without proof: the move names the override, and no verdict. version: which, of an
        A/B that has several.
        """
        named = self.version(version) if isinstance(version, str) else version
        chosen = None if named is None else named.id
        return self._overriding(model).moved(self._asked(model, "promote", reason, by, version=chosen))

    def skip(self, model: str, *, reason: str, by: str | None = None) -> Move:
        """To the next step without the verdict that this one is safe; never to the promotion."""
        return self._overriding(model).moved(self._asked(model, "skip", reason, by))

    def differences(self, move: Move) -> list[str]:
        """What callers should know of a version that begins to take their rows: its contract beside the champion's."""
        champion = self._wiring.contract(self._controller(move.model).routing.champion)
        rollout = None if move.rollout is None else self._wiring.records.get(Rollout, move.rollout)
        versions = (move.to,) if rollout is None else rollout.challengers
        found = [what for version in versions for what in differences(champion, self._wiring.contract(version))]
        return list(dict.fromkeys(found))

    def ab(
        self,
        versions: Sequence[Version | str],
        *,
        over: Mapping[str, object] | None = None,
        by: str | None = None,
        dirty: bool = False,
    ) -> Move:
        """A randomised A/B of these versions beside the champion, judged by what came of their units.

        over: what is said otherwise than [model.M.ab] says, by the names of AbSpec: metric, direction, share, horizon, ...
        Raises SpecError for a metric, column or unit that is not there, Conflict where a rollout is under way.
        """
        controller, before, started = self._ab_begun(versions, over or {}, dirty=dirty)
        now, by = self._now(started.model), by or person()
        draws, budget = trials.draws(started, **now, by=by), self.model(started.model).budget
        return controller.start(started, **now, by=by, before=before, spends=draws, budget=budget)

    def ab_plan(
        self, versions: Sequence[Version | str], *, over: Mapping[str, object] | None = None, dirty: bool = False
    ) -> AbPlan:
        """The A/B that could start now: its arms, what they can tell apart by when, the alpha it takes. Nothing is written.

        Raises as `ab` does; SpecError where nothing says how many units a day to expect.
        """
        _, _, started = self._ab_begun(versions, over or {}, dirty=dirty)
        return trials.planned(self._wiring, started, trials.draws(started, **self._now(started.model), by=person()))

    def ab_result(self, rollout: str) -> AbResult:
        """Arms, metrics, slices and the sample ratio of an A/B, as figures so far. Raises NotFound."""
        return trials.result_of(self._wiring, rollout)

    def abort(self, model: str, *, reason: str, by: str | None = None) -> Move:
        event_s, now_s = self.event_s(model), self._wiring.clock()
        return self._controller(model).abort(by=by or person(), reason=reason, event_s=event_s, now_s=now_s)

    def rollback(self, model: str, *, to: str | None = None, reason: str, by: str | None = None) -> Move:
        """All traffic back: from a running rollout to the champion, else to the champion before, or to a version."""
        target = None if to is None else self.version(to).id
        event_s, now_s = self.event_s(model), self._wiring.clock()
        return self._controller(model).roll_back(target, by=by or person(), reason=reason, event_s=event_s, now_s=now_s)

    def _check(self, asked: Version, *, dirty: bool) -> None:
        """Raises SpecError for a version that may take no traffic at all."""
        check_whole(asked, self._wiring.damage(asked.id))
        check_servable(asked, self._wiring.predictor(asked.id).manifest.task, dirty=dirty)

    def _begun(self, asked: Version, spec: RolloutSpec | None, over: Routing) -> Rollout:
        """The rollout as it would begin over that routing. Raises SpecError and Conflict where it may not."""
        model = self._planned(asked.model, spec)
        refuse_pairs(model, asked)
        held, new = (self._wiring.contract(version) for version in (over.champion, asked.id))
        refuse_apart(held, new, names=(self.version(over.champion).short, asked.short))
        rollouts, verdicts = self._controller(asked.model).rollouts, self._wiring.records.all(Verdict, asked.model)
        event_s = self.event_s(asked.model)
        return begin(asked, model, over, rollouts, verdicts, event_s=event_s)

    def _ab_begun(
        self, versions: Sequence[Version | str], over: Mapping[str, object], *, dirty: bool
    ) -> tuple[Controller, Routing | None, Rollout]:
        """The A/B as it would begin, and the routing over which."""
        asked = [self.version(version) if isinstance(version, str) else version for version in versions]
        if not asked:
            raise SpecError("An A/B needs a challenger.", cure="Name one version or several.")
        spec, controller = self.model(asked[0].model), self._controller(asked[0].model)
        before = self._wiring.records.get(Routing, asked[0].model)  # first of all that the start rests on
        wanted, event_s = trials.asked(spec, over), self.event_s(asked[0].model)
        started = trials.begun(
            self._wiring, asked, spec, wanted, before, controller.rollouts, event_s=event_s, dirty=dirty
        )
        return controller, before, started

    def _planned(self, model: str, spec: RolloutSpec | None) -> ModelSpec:
        found = self.model(model)
        return found if spec is None else msgspec.structs.replace(found, rollout=spec)

    def _foretold(self, asked: Version, spec: RolloutSpec | None, *, anyway: bool) -> Plan | None:
        """The plan; None where nothing says how many calls to expect and the rollout is asked for all the same."""
        try:
            return self.plan(asked, spec=spec)
        except SpecError:
            if anyway:
                return None
            raise

    def _overriding(self, model: str) -> Overriding:
        return Overriding(self._controller(model), self._wiring.records, self.model(model).budget)

    def _asked(
        self,
        model: str,
        kind: OverrideKind,
        reason: str,
        by: str | None,
        *,
        step: Step | None = None,
        alpha: float | None = None,
        version: str | None = None,
    ) -> Asked:
        now, by = self._now(model), by or person()
        return Asked(kind=kind, by=by, reason=reason, **now, step=step, alpha=alpha, version=version)
