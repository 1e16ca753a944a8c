"""Two arms on one table: looked at once, or block by block with an evidence that may be looked at after each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from lockgate.assess import tables
from lockgate.assess.estimate import Arms, estimate, metric_of, own_metric
from lockgate.assess.predictions import labels, places, predictions
from lockgate.assess.slices import parts
from lockgate.decide.judgement import Judgement
from lockgate.decide.offline import ruled
from lockgate.decide.slices import sentence as told
from lockgate.decide.slices import slices
from lockgate.decide.worth import worth
from lockgate.errors import SpecError, unknown
from lockgate.metrics import Loss, SummaryMetric
from lockgate.records import RolloutSpec, Verdict
from lockgate.records.duration import UNITS_S
from lockgate.records.spec import Memory

Floats = NDArray[np.float64]

BLOCKS_S = {"day": UNITS_S["d"], "week": UNITS_S["w"]}
PROVE = ("better", "not worse")
FEWEST_DAYS = 5
FEWEST_ROWS = 30
PROPOSED = {"binary": "log_loss", "multiclass": "log_loss", "regression": "absolute_error"}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What is asked of a comparison; `lockgate.compare` says what each means."""

    target: str
    metric: str | Callable[[Floats, Floats], Any] | None = None
    direction: str | None = None
    by: str | None = None
    time: str | None = None
    prove: str = "better"
    margin: float = 0.0
    alpha: float = 0.05
    memory: str | None = None
    task: str | None = None
    seed: int = 0
    slices: tuple[str, ...] = ()


def compare(
    champion: Any, challenger: Any, table: tables.Table, asked: Comparison, *, history: Any, now_s: float
) -> Verdict:
    """The verdict. Raises SpecError for what cannot be compared; `lockgate.compare` is the door."""
    _check(asked)
    task, classes = _task(table, asked, (champion, challenger))
    time = _time(table, asked)
    arms = _arms(champion, challenger, table, asked, task, classes)
    metric = _metric(asked, task, arms)
    subject = (_name(challenger, "challenger"), _name(champion, "champion"))
    if asked.memory is None:
        if history is not None:
            raise SpecError("A history is of use only where a memory is declared.", cure='Add memory="short".')
        found = estimate(metric, arms, alpha=asked.alpha, seed=asked.seed)
        item = ruled(
            found,
            metric=metric.name,
            against=subject[1],
            claim="better" if asked.prove == "better" else "not worse",
            margin=asked.margin,
            alpha=asked.alpha,
            name="compare",
            is_loss=isinstance(metric, Loss) or metric.direction == "down",
        )
    else:
        if not isinstance(metric, Loss):
            raise SpecError(
                f"{metric.name} is a number over many rows, and no block test takes it.",
                cure="Leave `memory` out to look once, or compare a loss: log_loss, brier, zero_one.",
            )
        past = _history(champion, challenger, history, asked, metric, task, classes)
        item = _sequential(arms, asked, metric, past)
    if asked.slices:
        item = _with_slices(item, table, arms, metric, asked, subject[1])
    at_s = now_s if time is None else float(tables.times_s(table, time).max())
    return _verdict(item, subject, arms, at_s=at_s, now_s=now_s)


def _check(asked: Comparison) -> None:
    if asked.prove not in PROVE:
        raise SpecError(unknown("claim to prove", asked.prove, PROVE))
    if not 0 < asked.alpha < 1:
        raise SpecError(f"An alpha of {asked.alpha} is no error rate.", cure="Give a chance above 0 and under 1.")
    if not (np.isfinite(asked.margin) and asked.margin >= 0):
        raise SpecError(
            f"A margin of {asked.margin} cannot be.", cure="Give a difference that does not matter, 0 or more."
        )
    if asked.memory is not None and asked.memory not in get_args(Memory):
        raise SpecError(unknown("memory", asked.memory, get_args(Memory)))
    if asked.prove == "not worse" and asked.margin == 0:
        raise SpecError("Nothing is ever proved not worse by 0.", cure="Give the margin that does not matter.")


def _task(table: tables.Table, asked: Comparison, models: tuple[Any, Any]) -> tuple[str, tuple[str, ...]]:
    """As asked; else words are classes, 0 and 1 are binary, and other numbers values. With the labels, of many classes."""
    if asked.task is not None and asked.task not in PROPOSED:
        raise SpecError(unknown("task", asked.task, PROPOSED))
    is_words = tables.column(table, asked.target).dtype.kind in "OUS"
    if asked.task == "multiclass" or (asked.task is None and is_words):
        return "multiclass", labels(table, asked.target, models)
    outcome = tables.numbers(table, asked.target)
    return asked.task or ("binary" if set(np.unique(outcome)) <= {0.0, 1.0} else "regression"), ()


def _arms(
    champion: Any, challenger: Any, table: tables.Table, asked: Comparison, task: str, classes: tuple[str, ...]
) -> Arms:
    block, length = _blocks(table, asked, _time(table, asked))
    named: dict[str, Any] = {"target": asked.target, "task": task, "classes": classes}
    return Arms(
        champion=predictions(champion, table, arm="champion", **named),
        challenger=predictions(challenger, table, arm="challenger", **named),
        outcome=places(table, asked.target, classes) if classes else tables.numbers(table, asked.target),
        block=block,
        length=length,
    )


def _metric(asked: Comparison, task: str, arms: Arms) -> Loss | SummaryMetric:
    if callable(asked.metric):
        return own_metric(asked.metric, asked.direction, task)
    # Labels alone are no chances: with the first mistake their log loss is as large as it can be.
    is_labels = arms.champion.ndim == 2 and any(np.isin(arm, (0, 1)).all() for arm in (arms.champion, arms.challenger))
    found = metric_of(asked.metric or ("zero_one" if is_labels else PROPOSED[task]), task)
    known = found.direction if isinstance(found, SummaryMetric) else "down"
    if asked.direction not in (None, known):
        raise SpecError(
            f"{found.name} is better {known}, not {asked.direction!r}.", cure="Leave the direction out: it is known."
        )
    return found


def _with_slices(
    item: Judgement, table: tables.Table, arms: Arms, metric: Loss | SummaryMetric, asked: Comparison, against: str
) -> Judgement:
    """The same ruling, with what is known of every slice beside it."""
    if not isinstance(metric, Loss):
        raise SpecError(f"{metric.name} is no loss of a row, and slices need one.", cure="Compare log_loss, say.")
    difference = metric.of(arms.challenger, arms.outcome) - metric.of(arms.champion, arms.outcome)
    named = {name: tables.column(table, name).astype(str) for name in asked.slices}
    found = slices(parts(named, difference, arms.block), margin=asked.margin, alpha=asked.alpha)
    evidence = msgspec.structs.replace(item.evidence, slices=found)
    return msgspec.structs.replace(item, evidence=evidence, sentence=f"{item.sentence} {told(found, against)}")


def _time(table: tables.Table, asked: Comparison) -> str | None:
    if asked.time is not None:
        return asked.time
    found = tables.time_columns(table)
    if len(found) > 1 and asked.by in BLOCKS_S:
        raise SpecError(f"Several columns hold times: {', '.join(found)}.", cure="Say which: time=...")
    return found[0] if len(found) == 1 else None


def _blocks(table: tables.Table, asked: Comparison, time: str | None) -> tuple[NDArray[np.generic] | None, str]:
    """Each row's block and what a block is. Where nobody said, days of the one time column: rows of a day go together."""
    by = asked.by
    if by == "row":
        return None, "row"
    if by == "hour":
        raise SpecError(
            "Hours of one day go together: judged as if they did not, 8 to 98 % of runs end in a false verdict.",
            cure='Compare by="day".',
        )
    if by is None:
        if time is None or np.ptp(tables.times_s(table, time)) < FEWEST_DAYS * BLOCKS_S["day"]:
            return None, "row"
        by = "day"
    if by in BLOCKS_S and not (time is None and by in tables.columns(table)):
        if time is None:
            raise SpecError(
                f"Nothing says when a row was asked, so there are no {by}s.", cure="Name the column: time=..."
            )
        return np.floor(tables.times_s(table, time) / BLOCKS_S[by]).astype(np.int64), by
    if by not in tables.columns(table):
        raise SpecError(unknown("block", by, ("row", *BLOCKS_S, *tables.columns(table))))
    labels = tables.column(table, by)
    # Numbers and times in their own order, for blocks are judged one after the other; anything else by its text.
    _, place = np.unique(labels if labels.dtype.kind in "iufMb" else labels.astype(str), return_inverse=True)
    return place.astype(np.int64), by


def _differences(arms: Arms, metric: Loss) -> tuple[Floats, int]:
    """Mean difference per block of 30 rows or more, in order, and how many blocks were left out."""
    if arms.block is None:
        raise SpecError(
            "Rows in no order cannot be judged one after the other.", cure='Give by="day" and a time column.'
        )
    difference = metric.of(arms.challenger, arms.outcome) - metric.of(arms.champion, arms.outcome)
    _, place = np.unique(arms.block, return_inverse=True)
    counts = np.bincount(place)
    means = np.bincount(place, weights=difference) / counts
    return means[counts >= FEWEST_ROWS], int((counts < FEWEST_ROWS).sum())


def _history(
    champion: Any,
    challenger: Any,
    history: Any,
    asked: Comparison,
    metric: Loss,
    task: str,
    classes: tuple[str, ...],
) -> Floats:
    """The pair's block differences from before the test, as given or from a table of earlier rows."""
    if history is None:
        return np.empty(0)
    if not hasattr(history, "columns") and not isinstance(history, dict):
        found = np.asarray(history, dtype=np.float64)
        if found.ndim != 1 or not np.isfinite(found).all():
            raise SpecError("A history is one finite difference per block, oldest first, or a table of earlier rows.")
        return found
    return _differences(_arms(champion, challenger, history, asked, task, classes), metric)[0]


def _sequential(arms: Arms, asked: Comparison, metric: Loss, history: Floats) -> Judgement:
    prove: Literal["better", "not worse"] = "better" if asked.prove == "better" else "not worse"
    memory: Memory = next(known for known in get_args(Memory) if known == asked.memory)
    differences, left_out = _differences(arms, metric)
    shift = asked.margin if prove == "better" else 0.0
    block = {"day": "1d", "week": "7d"}.get(arms.length, arms.length)
    spec = RolloutSpec(prove=prove, memory=memory, worth_alpha=asked.alpha, block=block)
    item = worth(spec, metric=metric.name, not_worse_by=asked.margin, differences=differences + shift, history=history)
    evidence = msgspec.structs.replace(
        item.evidence, n=(arms.outcome.size,) * 2, detail=item.evidence.detail | {"blocks_left_out": left_out}
    )
    return msgspec.structs.replace(item, evidence=evidence)


def _name(source: Any, arm: str) -> str:
    return source if isinstance(source, str) else arm


def _verdict(item: Judgement, subject: tuple[str, str], arms: Arms, *, at_s: float, now_s: float) -> Verdict:
    """Named by the data and the question: the same comparison is the same verdict."""
    data = hashlib.blake2b(digest_size=16)
    for values in (arms.champion, arms.challenger, arms.outcome):
        data.update(np.ascontiguousarray(values).tobytes())
    evidence = msgspec.structs.replace(item.evidence, digest=data.hexdigest())
    named = f"{subject}\x1f{item.gate}\x1f{evidence.digest}"
    return Verdict(
        id=f"v{hashlib.blake2b(named.encode(), digest_size=6).hexdigest()}",
        model="-",
        ruling=item.ruling,
        gate=item.gate,
        evidence=evidence,
        subject=subject,
        sentence=item.sentence,
        at_s=at_s,
        written_s=now_s,
    )
