"""A model of a workspace as a report tells it: from its closed days, its verdicts and its alarms."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from lockgate.decide.drifting import judged
from lockgate.decide.drifting.lines import drawn_up
from lockgate.errors import LockgateError, NotFound
from lockgate.metrics.figures import named
from lockgate.records import Alarm, AlarmLife, Block, ModelSpec, Profile, Routing, Ruling, Version
from lockgate.records.duration import seconds
from lockgate.records.monitored import LabelAge, Realised
from lockgate.report.monitored.counted_days import DAY_S, counted_days, last_window
from lockgate.report.monitored.histories import drift_rows, prediction_column
from lockgate.report.monitored.sentences import age, calibration_says
from lockgate.report.monitored.told import Course, DriftRow, Point, Raised, Stretch, Told
from lockgate.report.words import when
from lockgate.stats import score_bet
from lockgate.store.ports import Records

MOST_DAYS = 28
"""Up to so many closed days are shown one by one, without intervals; more are put together by weeks."""
FEWEST_DAYS = 4  # of a week, for an interval
WEEK_S = 7 * DAY_S


class LastCalls(NamedTuple):
    """What the champion answered itself in its last closed days, [since_s, until_s), out of the log. realised: None where no
    outcome has come, or of several classes; ages: how outcomes come in.
    """

    since_s: float
    until_s: float
    realised: Realised | None
    ages: tuple[LabelAge, ...]


@dataclass(frozen=True)
class Days:
    """The closed days in the time asked for, oldest first: blocks as whoever was champion then did on them, own those of the
    newest day's champion. counted: when each of its days began and what windows counted of it, over its reference. names:
    versions by id, as people say them.
    """

    champion: Version | None
    blocks: Sequence[Block]
    own: Sequence[Block]
    counted: Sequence[tuple[float, Profile]]
    reference: Profile | None
    names: Mapping[str, str]

    @property
    def takeovers(self) -> tuple[tuple[float, str], ...]:
        """When another champion's days began, and its name; without the first's."""
        pairs = pairwise(self.blocks)
        return tuple(
            (b.start_s, self.names.get(b.champion, b.champion[:6])) for a, b in pairs if a.champion != b.champion
        )


def of_model(
    records: Records,
    model: str,
    spec: ModelSpec,
    reference: Callable[[str], Profile | None],
    *,
    calls: LastCalls | None = None,
    last_s: float | None = None,
) -> Told:
    """Over the `last_s` seconds of event time before the newest closed day, or all there are. reference: the profile of a
    version; it may raise LockgateError. calls: what calibration, slices and ages are told of; nothing is said of them else.

    Raises NotFound where no day of the model has closed.
    """
    blocks = records.all(Block, model)
    routing = records.get(Routing, model)
    if not blocks or routing is None:
        raise NotFound(
            f"No day of {model} has closed yet, so there is nothing to report.",
            cure="Days close once their calls are older than outcomes.horizon and the loop has turned: lockgate watch --once",
        )
    until_s = blocks[-1].end_s
    since_s = blocks[0].start_s if last_s is None else max(blocks[0].start_s, until_s - last_s)
    within = [block for block in blocks if block.start_s >= since_s]
    last = within[-1].champion
    try:
        profile = reference(last)
    except LockgateError:
        profile = None
    names = {version.id: version.short for version in records.all(Version, model)}
    champion = records.get(Version, routing.champion)
    counted = counted_days(records, model, last, since_s=since_s)
    days = Days(champion, within, [b for b in within if b.champion == last], counted, profile, names)
    return _told(records, model, spec, days, calls, (since_s, until_s))


def _told(
    records: Records, model: str, spec: ModelSpec, days: Days, calls: LastCalls | None, span: tuple[float, float]
) -> Told:
    lives = [life for life in records.all(AlarmLife, model) if life.is_open and life.severity != "note"]
    drift, drift_says = _drift(spec, days)
    name = days.champion.short if days.champion else "its champion"
    realised = calls.realised if calls else None
    return Told(
        name=model,
        about=f"{model}, champion {name}",
        ruling=Ruling.FAIL if any(life.severity == "page" for life in lives) else Ruling.UNDECIDED,
        sentence=_sentence(model, lives),
        since_s=span[0],
        until_s=span[1],
        metric=named(spec.judged_by),
        facts=_facts(spec, days, name),
        traffic=tuple(Stretch(b.start_s, b.end_s, b.calls, b.labelled) for b in days.blocks),
        predictions=_predictions(days),
        courses=(_course(spec, days),),
        skill=_skill(days),
        drift=drift,
        drift_says=drift_says,
        bins=realised.bins if realised else (),
        calibration_says=_calibration(calls, name) if calls else "",
        slices=realised.slices if realised else (),
        ages=tuple(map(age, calls.ages)) if calls else (),
        raised=tuple(_raised(alarm) for alarm in records.all(Alarm, model) if alarm.at_s >= span[0]),
        false_alarms_per_year=spec.monitor.false_alarms_per_year,
        following=lives[-1].next if lives else "lockgate status",
        takeovers=days.takeovers,
        notes=_notes(days),
    )


def _sentence(model: str, lives: Sequence[AlarmLife]) -> str:
    if not lives:
        return f"No alarm of {model} is open."
    newest = max(lives, key=lambda life: (life.severity == "page", life.since_s))
    others = f" {len(lives) - 1} more {'is' if len(lives) == 2 else 'are'} open." if len(lives) > 1 else ""
    return newest.sentence + others


def _raised(alarm: Alarm) -> Raised:
    return Raised(alarm.at_s, alarm.severity, alarm.cause, alarm.sentence, alarm.next, alarm.is_over)


def _course(spec: ModelSpec, days: Days) -> Course:
    return Course(
        name=named(spec.judged_by),
        better="down",
        realised=tuple(_figure(part, _loss) for part in _parts(days.blocks)),
        before=days.champion.metrics.get(spec.judged_by) if days.champion else None,
        says="Raw: a season with fewer surprises makes it better, whatever the model does.",
    )


def _skill(days: Days) -> Course:
    return Course(
        name="Skill",
        better="up",
        realised=tuple(_figure(part, _skill_of) for part in _parts(days.blocks) if sum(b.base_loss for b in part) > 0),
        before=days.champion.metrics.get("skill") if days.champion else None,
        says="Share of the loss of each day's own mean outcome that the champion removes: 1 is perfect, 0 no better than it.",
    )


def _parts(blocks: Sequence[Block]) -> list[list[Block]]:
    """Days with outcomes, one by one or by weeks."""
    scored = [block for block in blocks if block.scored]
    if len(scored) <= MOST_DAYS:
        return [[block] for block in scored]
    weeks: dict[int, list[Block]] = {}
    for block in scored:
        weeks.setdefault(int((block.start_s - scored[0].start_s) // WEEK_S), []).append(block)
    return list(weeks.values())


def _figure(part: Sequence[Block], of: Callable[[Sequence[Block]], float]) -> Point:
    """With an interval at 95 % by the jackknife over whole days, whose calls hang together (Tukey 1958)."""
    value, n = of(part), len(part)
    if n < FEWEST_DAYS:
        return Point(part[0].start_s, part[-1].end_s, value)
    left_out = np.array([of([*part[:k], *part[k + 1 :]]) for k in range(n)])
    reach = float(stdtrit(n - 1, 0.975)) * math.sqrt((n - 1) / n * float(((left_out - left_out.mean()) ** 2).sum()))
    return Point(part[0].start_s, part[-1].end_s, value, value - reach, value + reach)


def _loss(part: Sequence[Block]) -> float:
    return math.fsum(block.loss for block in part) / sum(block.scored for block in part)


def _skill_of(part: Sequence[Block]) -> float:
    return 1 - math.fsum(block.loss for block in part) / (math.fsum(block.base_loss for block in part) or math.nan)


def _predictions(days: Days) -> Course:
    found = [(at_s, column.mean) for at_s, profile in days.counted if (column := prediction_column(profile))]
    before = prediction_column(days.reference) if days.reference else None
    return Course(
        name="Mean prediction",
        better="",
        realised=tuple(Point(at_s, at_s + DAY_S, mean) for at_s, mean in found if mean is not None),
        before=before.mean if before else None,
    )


def _drift(spec: ModelSpec, days: Days) -> tuple[tuple[DriftRow, ...], str]:
    """The monitor's window of days against the reference, looked at once."""
    window = last_window(days.counted, seconds(spec.monitor.window))
    if days.reference is None or window is None:
        return (), "No day of this champion has been counted over its reference."
    if window.cells != days.reference.cells:
        return (), "The reference has other cells than the days that were counted."
    lines = drawn_up(days.reference, score_bet.EPS, score_bet.DELTA)
    found = judged.once(
        days.reference, window, eps=score_bet.EPS, delta=score_bet.DELTA, alpha=0.05, deff=1.0, lines=lines
    )
    rows = drift_rows(found.moved, days.reference, [profile for _, profile in days.counted])
    said = f"The last {spec.monitor.window} of calls, by whole days, looked at once and as if rows were independent."
    return rows, f"{said} {found.judgement.sentence}"


def _calibration(calls: LastCalls, name: str) -> str:
    if calls.realised is None:
        return ""
    said = f"{calls.realised.rows:,} calls that {name} answered from {when(calls.since_s)} to {when(calls.until_s)}."
    return f"{calibration_says(calls.realised)} Of {said}"


def _facts(spec: ModelSpec, days: Days, name: str) -> tuple[tuple[str, str], ...]:
    calls, labelled = (sum(getattr(b, what) for b in days.blocks) for what in ("calls", "labelled"))
    failures = sum(b.failures for b in days.blocks)
    by = Counter(days.names.get(b.champion, b.champion[:6]) for b in days.blocks)
    return (
        ("Calls", f"{calls:,} in {len(days.blocks):,} closed days, {labelled:,} of them with an outcome"),
        ("Failures", f"{failures:,}, {failures / calls:.2%} of the calls" if calls else ""),
        ("Champion", f"{name} now; of these days {', '.join(f'{n} {who}' for who, n in by.items())}"),
        (
            "Judged by",
            f"{named(spec.judged_by)}; a day is closed once its calls are older than {spec.outcomes.horizon}",
        ),
    )


def _notes(days: Days) -> tuple[str, ...]:
    found = ["Intervals are by the jackknife over whole days, and only of weeks: a day by itself has none."]
    if len(days.own) < len(days.blocks):
        who = days.names.get(days.own[-1].champion, "the newest day's champion")
        found.append(
            f"Drift and the mean prediction are of the days of {who} alone; all else is of whoever was champion on the day."
        )
    return tuple(found)
