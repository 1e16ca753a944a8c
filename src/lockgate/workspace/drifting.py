"""The doors to drift: `lockgate.drift` for one window, `lockgate.DriftJudge` for windows in sequence; no workspace needed."""

from __future__ import annotations

import time as clock

from lockgate.decide.drifting import judged
from lockgate.decide.drifting.judge import DriftJudge as DecideJudge
from lockgate.decide.drifting.lines import drawn_up
from lockgate.monitor.verdicts import verdict
from lockgate.records.drift import Drift, DriftState
from lockgate.records.evidence import Ruling
from lockgate.records.profile import Profile
from lockgate.records.record import decode
from lockgate.stats import score_bet


def drift(
    reference: Profile,
    window: Profile,
    *,
    alpha: float = 0.05,
    eps: float = score_bet.EPS,
    delta: float = score_bet.DELTA,
    deff: float = 1.0,
    model: str = "-",
) -> Drift:
    """Whether a window's columns have moved from where their reference had them, looked at once.

    reference, window: from `lockgate.profile`, the window with `against=reference`. alpha: the chance of a false verdict,
    over all columns together, given a reference that does not mislead; delta: the chance that it does. eps: the total
    variation, a share of rows, that does not matter: nothing within it is ever evidence, however many rows there are. deff:
    design effect of rows that come in clusters (the rows of one user, say), 1 where rows are independent.
    A verdict of FAIL has evidence and an effect beyond eps; else it is undecided. Many windows looked at one after the other
    need a `DriftJudge`: alpha holds for one look. Raises SpecError for profiles of different cells, or a reference without
    rows.

    >>> found = drift(reference, window)
    >>> found.ruling, found.sentence, [one.name for one in found.listed]
    """
    lines = drawn_up(reference, eps, delta)
    found = judged.once(reference, window, eps=eps, delta=delta, alpha=alpha, deff=deff, lines=lines)
    now_s = clock.time()
    at_s = now_s if window.until_s is None else window.until_s
    return recorded(
        found,
        model=model,
        rows=window.rows,
        before=reference,
        notes=judged.notes(reference, lines),
        at_s=at_s,
        now_s=now_s,
    )


class DriftJudge(DecideJudge):
    """Drift over windows in sequence, looked at after each, with a budget of false alarms a year.

    >>> judge = DriftJudge(reference, false_alarms_per_year=4, windows_per_year=24 * 365)
    >>> judge.observe(window)  # None, or a Drift where an alarm begins or is over
    >>> judge.foreseen(rows=1_000)  # how soon it would see what
    """

    def observe(self, window: Profile) -> Drift | None:
        """One more window, counted over the reference's cells. None, or a Drift: FAIL where an alarm begins, undecided where
        one is over. Raises SpecError for other cells; the window then counts for nothing.
        """
        found = self.observe_judgement(window)
        return None if found is None else self._record(found, window)

    def now(self, window: Profile) -> Drift:
        """How the evidence stands; window: the last one observed."""
        return self._record(self.judgement(window), window)

    @classmethod
    def resume(cls, reference: Profile, state: str | bytes) -> DriftJudge:
        """A judge that goes on where `state()` was written, to the same bits.

        Raises StoreError where the text is damaged, SpecError where another engine wrote it or on another reference.
        """
        held = decode(DriftState, state)
        judge = cls(
            reference,
            false_alarms_per_year=held.false_alarms_per_year,
            windows_per_year=held.windows_per_year,
            eps=held.eps,
            delta=held.delta,
            deff=held.deff,
            model=held.model,
        )
        judge.load(state)
        return judge

    def _record(self, found: judged.Found, window: Profile) -> Drift:
        now_s = clock.time()
        return recorded(
            found,
            model=self.model,
            rows=self._rows,
            before=self.reference,
            notes=self.notes(),
            at_s=now_s if window.until_s is None else window.until_s,
            now_s=now_s,
        )


def recorded(
    found: judged.Found, *, model: str, rows: int, before: Profile, notes: tuple[str, ...], at_s: float, now_s: float
) -> Drift:
    """The judgement as a record; its subject is what moved."""
    has_drifted = found.judgement.ruling is Ruling.FAIL
    listed = tuple(one.name for one in judged.chosen(found.moved)) if has_drifted else ()
    return Drift(
        verdict=verdict(found.judgement, model=model, subject=listed, rollout=None, at_s=at_s, now_s=now_s),
        moved=found.moved,
        rows=rows,
        reference_rows=before.rows,
        notes=notes,
    )
