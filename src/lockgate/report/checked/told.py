"""What a report says, in sentences and small tables: the same words for a terminal, a page and a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lockgate.records import Benchmark, Bin, Finding, Report, Ruling, Score
from lockgate.records.slice import Slice
from lockgate.report.checked.figures import between, decimals, named, number, rounded
from lockgate.report.words import figure

MORE = "(--json has all)"
NOT_TOLD = "not told apart"
# An interval that leaves 0 out, and yet nothing is told: it would be, were it the only one.
ALONE = f"{NOT_TOLD} *"
STATES = {"worse": "worse", "not worse": "not worse", "not told": NOT_TOLD}
ENGINES = {"native": "native", "onnx": "compiled"}
OWN_NAMES = {
    "catboost": "CatBoost",
    "lightgbm": "LightGBM",
    "onnx": "ONNX",
    "torchscript": "TorchScript",
    "xgboost": "XGBoost",
}
_MOST_SIZES = 5
_STILL = 0.03


class Contestant(NamedTuple):
    """The model or a baseline. scores: by metric; mark: "best" for the best baseline, "own" for the model."""

    name: str
    what: str
    scores: dict[str, Score]
    mark: str


class Apart(NamedTuple):
    """Model minus baseline in the metric as it is read; is_better: shown so, is_worse: shown so."""

    name: str
    estimate: float
    low: float
    high: float
    said: str


class Speed(NamedTuple):
    """Rows of a table, one per engine; sizes: of the batches."""

    sizes: tuple[str, ...]
    rows: tuple[tuple[str, str, str, tuple[str, ...]], ...]


def contestants(report: Report) -> list[Contestant]:
    """The model first, then the baselines, the best of them first."""
    own = Contestant(report.name, "", {score.metric: score for score in report.scores}, "own")
    rivals = sorted(report.rivals, key=lambda rival: rival.name != report.best)
    return [
        own,
        *(
            Contestant(
                rival.name,
                rival.what,
                {score.metric: score for score in rival.scores},
                "best" if rival.name == report.best else "",
            )
            for rival in rivals
        ),
    ]


def compared(report: Report) -> list[Score]:
    """The model's scores in metrics that baselines were held to as well, the chosen one first."""
    shared = {score.metric for rival in report.rivals for score in rival.scores}
    return [score for score in report.scores if score.metric in shared]


def others(report: Report) -> str:
    """The model's further metrics, in one line."""
    shared = {score.metric for score in compared(report)}
    return "; ".join(f"{named(score.metric)} {worded(score)}" for score in report.scores if score.metric not in shared)


def worded(score: Score, places: int | None = None) -> str:
    """0.975 [0.946, 0.989]."""
    held = decimals([(score.value, score.low, score.high)]) if places is None else places
    return f"{number(score.value, held)} {between(score.low, score.high, held)}".rstrip()


def direction(report: Report) -> str:
    """Which way the chosen metric gets better."""
    return next((s.direction for s in report.scores if s.metric == report.proposal.metric), "down")


def apart(report: Report) -> list[Apart]:
    """The model against each baseline, the best of them first. Evidence counts up for worse: here it reads as the metric."""
    sign = 1.0 if direction(report) == "down" else -1.0
    words = {Ruling.PASS: "better", Ruling.FAIL: "worse"}
    found: list[Apart] = []
    for rival in sorted(report.rivals, key=lambda rival: rival.name != report.best):
        seen = rival.verdict.evidence
        if seen.estimate is not None and seen.low is not None and seen.high is not None:
            low, high = sorted((sign * seen.low, sign * seen.high))
            said = words.get(rival.verdict.ruling) or (ALONE if low > 0 or high < 0 else NOT_TOLD)
            found.append(Apart(rival.name, sign * seen.estimate, low, high, said))
    return found


def reach(differences: Sequence[Apart]) -> tuple[float, float]:
    """The scale of the drawing: nought and the best baseline's interval whole; what lies far beyond does not flatten it."""
    first = differences[0]
    low, high = min(first.low, 0.0), max(first.high, 0.0)
    room = (high - low) or abs(first.estimate) or 1e-9
    low = max(min(low, *(item.low for item in differences)), low - 1.5 * room)
    high = min(max(high, *(item.high for item in differences)), high + 1.5 * room)
    return low - 0.03 * room, high + 0.03 * room


def difference_words(item: Apart | Slice, places: int) -> str:
    return f"{number(item.estimate, places, '+')} {between(item.low, item.high, places, '+')}"


def difference_places(differences: Sequence[Apart]) -> int:
    return decimals((item.estimate, item.low, item.high) for item in differences[:1])


def state(item: Slice) -> str:
    return ALONE if item.state == "not told" and (item.low > 0 or item.high < 0) else STATES[item.state]


def alone(said: Iterable[str], count: int, what: str) -> str:
    """What the star means, where one stands; empty where none does."""
    if ALONE not in said:
        return ""
    return f"* would count if it were the only one; among {count:,} {what} looked at together it does not."


def beware(report: Report) -> str:
    """What stands beside the verdict where its figures cannot be trusted."""
    stops = sum(item.grade == "stop" for item in report.findings)
    if report.ruling is Ruling.VOID:
        return ""  # its sentence says so
    return "" if not stops else "Do not trust these figures yet: something that has to be mended first stands below."


def shown(findings: Sequence[Finding], notes: int) -> tuple[list[Finding], str]:
    """Every stop and warning up to eight of a kind of grade, the first notes, and how many are left out."""
    kept: list[Finding] = []
    left: list[str] = []
    for grade, most in (("stop", 8), ("warn", 8), ("note", notes)):
        own = [item for item in findings if item.grade == grade]
        kept += own[:most]
        if len(own) > most:
            word = {"stop": "stop", "warn": "warning", "note": "note"}[grade]
            left.append(f"{len(own) - most} more {word}{'s' if len(own) - most > 1 else ''}")
    return kept, f"and {', '.join(left)} {MORE}" if left else ""


def next_steps(report: Report, kept: Sequence[Finding]) -> tuple[str, ...]:
    """What to do, without cures that stand beside their finding already."""
    cures = {item.cure for item in kept}
    return tuple(step for step in report.next if step not in cures) or report.next[:1]


def calibration(report: Report) -> str:
    """How far predictions agree with what was observed, in one sentence; empty where there are no bins."""
    bins = report.calibration
    if not bins:
        return ""
    if len(bins) == 1:
        return "One bin only: more rows, or answers that vary, would give a curve."
    inside = sum(item.low <= item.predicted <= item.high for item in bins)
    worst = max(bins, key=lambda item: abs(item.predicted - item.observed))
    places = bin_places(bins)
    return (
        f"{inside} of {len(bins)} bins hold the prediction in their 95 % interval; most apart: predicted "
        f"{number(worst.predicted, places)}, observed {number(worst.observed, places)} "
        f"{between(worst.low, worst.high, places)} ({worst.rows:,} rows)."
    )


def bin_places(bins: Sequence[Bin]) -> int:
    """Decimals for predictions: three figures of the largest."""
    return decimals((item.observed, None, None) for item in bins)


def answers(report: Report) -> str:
    """What the calibration is of."""
    return {
        "binary": f"the chance of {report.classes[1]}" if len(report.classes) == 2 else "the chance",
        "multiclass": "the likeliest class's chance",
    }.get(report.task, f"the predicted {report.target}")


def worst(report: Report) -> list[Slice]:
    """Slices that are shown worse than the best baseline, then the rest, the largest difference first."""
    return sorted(report.slices, key=lambda item: (item.state != "worse", -item.estimate))


def slices(report: Report) -> str:
    """How the slices stand against the best baseline, counted."""
    counts = {state: sum(item.state == state for item in report.slices) for state in STATES}
    said = [f"{count:,} {STATES[state]}" for state, count in counts.items() if count]
    return f"{len(report.slices):,} slices against {report.best}: {', '.join(said)}." if said else ""


def speed(made: Benchmark) -> Speed:
    """Milliseconds of one row, and rows per second of CPU by batch size."""
    pace = made.pace
    if len(pace) > _MOST_SIZES:
        # The ends and what lies evenly between.
        pace = tuple(pace[round(i * (len(pace) - 1) / (_MOST_SIZES - 1))] for i in range(_MOST_SIZES))
    rows: list[tuple[str, str, str, tuple[str, ...]]] = []
    for engine, name in ENGINES.items():
        costs = [item.native_us if engine == "native" else item.onnx_us for item in pace]
        one = made.one_row_ms.get(engine)
        if one is None and all(cost is None for cost in costs):
            continue
        median, p99 = ("-", "-") if one is None else (f"{figure(one[0])} ms", f"{figure(one[1])} ms")
        rows.append((name, median, p99, tuple("-" if not cost else rounded(1e6 / cost) for cost in costs)))
    return Speed(tuple(f"{item.rows:,}" for item in pace), tuple(rows))


def pace_note(made: Benchmark) -> str:
    """What the figures of speed are, and the memory, where it is worth a word."""
    known = made.memory_mb is not None and made.memory_mb >= 1
    memory = f" Answering took {rounded(made.memory_mb or 0.0)} MB more memory." if known else ""
    return f"Rows per second of one CPU.{memory}"


def compiled(report: Report) -> str:
    """Whether the compiled path may serve, and from which batch size the native model does."""
    if report.parity is None:
        return "Not tried: there is no compiled path to compare."
    said = report.parity.reason
    made = report.benchmark
    if report.parity.is_passed and made is not None and made.native_from_rows is not None:
        said += f" Batches of {made.native_from_rows:,} rows or more go to the native model, which is faster there."
    return said


def contract(report: Report) -> str:
    if report.contract is None:
        return ""
    asked = report.contract.asked
    roles = [
        f"{role} {name}" for role, name in (("time", report.contract.time), ("unit", report.contract.unit)) if name
    ]
    extra = f"; {', '.join(roles)}" if roles else ""
    kind = "column" if len(asked) == 1 else "columns"
    return f"{len(asked):,} {kind} known when {report.target} is asked for{extra}; `lockgate inspect TABLE` shows it."


def rows(report: Report) -> str:
    by = "each row taken as independent" if report.by == "row" else f"rows of one {report.by} taken together"
    return f"{report.tested:,} of {report.rows:,} tested: {report.split.rstrip('.')}; {by}."


def model(report: Report) -> str:
    """Whose file it is, and the task."""
    made = report.library
    if made is None:
        library = ""
    elif made.version is None:
        library = (
            " (its file does not say by which version)" if made.name == report.format else f", written by {made.name}"
        )
    else:
        library = f" {made.version}" if made.name == report.format else f", written by {made.name} {made.version}"
    names = ", ".join(report.classes[:6]) + (f" and {len(report.classes) - 6} more" if len(report.classes) > 6 else "")
    task = f"{report.task}, {report.target}" + (f": {names}" if names else "")
    return f"{OWN_NAMES.get(report.format, report.format)}{library}; {task}."


def metric(report: Report) -> str:
    """The metric that was judged by, and why."""
    return f"{named(report.proposal.metric)}. {report.proposal.reason}"


def alternatives(report: Report, most: int | None = None) -> str:
    """Metrics that would make sense too, each with when."""
    known = report.proposal.alternatives
    kept = known[:most]
    said = "; ".join(f"{named(item.metric)} {item.reason}" for item in kept)
    left = f"; and {len(known) - len(kept)} more {MORE}" if len(kept) < len(known) else ""
    return f"Or {said}{left}." if said else ""


def curve(report: Report) -> str:
    """Whether more rows would help, from the last step of the learning curve."""
    if len(report.curve) < 2:
        return ""
    first, before, last = report.curve[0], report.curve[-2], report.curve[-1]
    places = decimals((point.loss, None, None) for point in report.curve)
    saved = (before.loss - last.loss) / abs(before.loss) if before.loss else 0.0
    step = f"from {before.rows:,} to {last.rows:,} rows it {'fell' if saved >= 0 else 'rose'} by {abs(saved):.1%}"
    help_ = "more rows may still help" if saved > _STILL else "more rows of this kind promise little"
    return (
        f"Loss {number(first.loss, places)} after {first.rows:,} rows, {number(last.loss, places)} after {last.rows:,}; "
        f"{step}: {help_}."
    )
