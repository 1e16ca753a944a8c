"""Write docs/guarantees.md and its drawings; every number on the page comes from figures.json, flights.json and
quiet_windows.json beside this.

Run it:  python docs/guarantees/write.py        (needs lockgate[dev]: altair and vl-convert)
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from textwrap import fill
from typing import Any

import altair as alt

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "guarantees.md"
HELD: dict[str, Any] = json.loads((HERE / "figures.json").read_text())["sections"]
FLIGHTS: list[dict[str, str]] = json.loads((HERE / "flights.json").read_text())
QUIET: dict[str, list[dict[str, Any]]] = json.loads((HERE / "quiet_windows.json").read_text())
KINDS = {
    "rate": "failures, a champion failing 2 %",
    "accuracy": "wrong answers, a champion wrong in 10 %",
    "paired": "pairs scored by both, a champion failing 5 %",
    "latency": "latency",
}
RIVALS = (
    "peeking z test",
    "mixture SPRT",
    "asymptotic sequence, pooled",
    "asymptotic sequence, weighted",
    "limit on the canary",
    "limit over the champion",
    "sliding Mann-Whitney",
)
PER_DAY, WIDTH = 100_000, 124
# One grey that reads on white and on near black, and Okabe and Ito's blue and vermilion, lightened likewise.
GREY, OURS, OTHERS = "#808080", "#3a8fd0", "#d9722e"

Row = dict[str, Any]

# The worlds that each memory of the block tests is declared for.
CALM = ("Gaussian", "t3", "sd x5 in regimes", "weekly season", "growing volume", "shrinking volume")
UP_TO_3 = (*CALM, "skewed left", "left log-normal", "AR .2", "AR .5", "shocks of 3", "shocks of 3 under noise")
MEMORIES = {"new": UP_TO_3, "short": UP_TO_3, "long": (*UP_TO_3, "shocks of 7", "shocks of 7 under noise")}


# ---- rows and words


def rows(section: str, **wanted: Any) -> list[Row]:
    held = HELD.get(section, {"rows": []})["rows"]
    return [row for row in held if all(row.get(name) == value for name, value in wanted.items())]


def one(section: str, **wanted: Any) -> Row:
    found = rows(section, **wanted)
    if len(found) != 1:
        raise LookupError(f"{len(found)} figures of {section} are {wanted}; measure that section again.")
    return found[0]


def percent(value: float) -> str:
    return f"{100 * value:.0f} %" if value >= 0.1 else f"{100 * value:.1f} %"


def rate(row: Row) -> str:
    """A rate and its standard error; bold where it is above its promise by three of them."""
    promised = row.get("promised")
    text = f"{percent(row['value'])} ± {100 * row['se']:.1f}"
    if promised is None:
        return text
    is_over = row["value"] > promised + 3 * math.sqrt(promised * (1 - promised) / row["paths"])
    return f"**{text}**" if is_over else text


def calls(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == round(value) else f"{value:.1f}"


def times(value: float, error: float | None = None) -> str:
    return f"{value:.2f}" if error is None else f"{value:.2f} ± {error:.2f}"


def wait(canary_calls: float, share: float = 0.05) -> str:
    """How long a service of 100,000 calls a day takes to spend so many canary calls."""
    hours = canary_calls / (PER_DAY * share) * 24
    if hours < 1:
        return f"{hours * 60:.0f} minutes"
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.1f} days"


def table(head: Iterable[str], body: Iterable[Iterable[str]]) -> str:
    names = list(head)
    lines = [names, ["---"] + ["--:"] * (len(names) - 1), *map(list, body)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def made_by(*sections: str) -> str:
    """The paths, the seed and the command behind a table."""
    paths = [row["paths"] for name in sections for row in HELD[name]["rows"]]
    seeds = sorted({row["seed"] for name in sections for row in HELD[name]["rows"]})
    commands = ", ".join(f"`{HELD[name]['command']}`" for name in sections)
    counts = f"{max(paths):,}" if min(paths) == max(paths) else f"{min(paths):,} to {max(paths):,}"
    return f"*{counts} paths, seed {' or '.join(map(str, seeds))}. Made by {commands}.*"


# ---- the parts of the page


def meaning() -> str:
    worst = one("exposure", rule="Lockgate", world="failures 1 to 50 %")
    double = one("exposure", rule="Lockgate", world="failures 1 to 2 %")
    still = one("rollback-rate", rule="Lockgate", world="constant")
    return f"""# What Lockgate guarantees

A Lockgate verdict carries an error rate, alpha. At an alpha of .01 at most one in a hundred rollouts of a canary that is no
worse than the champion is ever rolled back by mistake. That holds over the whole life of the rollout. It holds if you look
after every call, if traffic or the failure rate moves, and if the share follows the evidence. It asks for no number of
calls fixed beforehand. Promotion has the same promise: at an alpha of .05 at most one in twenty canaries that are as bad as
the margin (1.5 times, by default) is ever promoted. "Undecided" is an answer too, and moves nothing.

**An example.** A champion fails 1 % of its calls. A canary takes 5 % of {PER_DAY:,} calls a day, at an alpha of .01.
- If the canary fails every other call, the rollback comes after {calls(worst["median"])} of its calls (the median), which is
  {wait(worst["median"])}.
- If it fails 2 %, it comes after {calls(double["median"])} of its calls: {wait(double["median"])}. Nine in ten are
  stopped within {wait(double["p90"])}.
- If it is no worse, nothing happens. Of {still["paths"]:,} rollouts of {still["calls"]:,} calls, with both arms failing 2 %,
  {round(still["value"] * still["paths"])} were rolled back.

## Exact and calibrated

Every verdict says which of two kinds its rate is.
- **Exact**: proved, under the conditions listed in [When it fails](#when-it-fails). The rollbacks and promotions of
  `lockgate.Judge`, its interval, and the check of the sample ratio are exact. The tables below confirm that the code does
  what the proof says, and show how far under its promise it stays.
- **Calibrated**: measured on stated worlds, and promised for worlds like those. The [block tests](#worth-by-blocks) of
  *short*, *new* and *long* memory are calibrated. Outside those worlds nothing is promised.

In all tables "±" is one standard error; at a rate of 0 it is what a single error would have made. Bold marks a rate that is
above its promise by more than three of them."""


def in_short() -> str:
    goals: list[list[str]] = []
    for prefix, name in (("rollback-", "false rollback, worst world"), ("promotion-", "false promotion, worst world")):
        found = [row for section in HELD if section.startswith(prefix) for row in rows(section, rule="Lockgate")]
        if found:
            worst = max(found, key=lambda row: row["value"])
            said = f"at most {percent(worst['promised'])}"
            goals.append([f"{name} ({worst['kind']}, {worst['world']})", said, rate(worst)])
    goals += [
        [f"cost over the limit: {row['world']}", f"at most {row['goal']:g}", over(row, "labels")]
        for row in rows("exposure", rule="Lockgate")
        if row["goal"] is not None
    ]
    bad = one("exposure", rule="Lockgate", world="failures 1 to 50 %")
    goals.append(["calls spent on a canary that fails every other one, median", "at most 10", calls(bad["median"])])
    for section, name in (
        ("coverage", "truth ever outside an end of the interval"),
        ("sample_ratio", "fair lot ever void"),
    ):
        worst = max((row for row in rows(section) if "promised" in row), key=lambda row: row["value"])
        goals.append([f"{name} ({worst['world']})", f"at most {percent(worst['promised'])}", rate(worst)])
    for memory, declared in MEMORIES.items():
        for alpha in (0.05, 0.01):
            found = [row for row in rows("blocks", rule=memory, promised=alpha) if row["world"] in declared]
            if found:
                worst = max(found, key=lambda row: row["value"])
                what = f"false verdict by blocks, memory {memory}, worst of its worlds ({worst['world']})"
                goals.append([what, f"at most {percent(alpha)}", rate(worst)])
    for baseline in ("known", "estimated"):
        found = rows("change", baseline=baseline)
        if found:
            worst = max(found, key=lambda row: row["value"])
            what = f"detector's delay over the best CUSUM's, {baseline} baseline, worst case ({worst['world']})"
            goals.append([what, f"at most {worst['goal']:g}", times(worst["value"], worst["se"])])
    quiet = [row for row in rows("drift") if "promised_alarms" in row]
    if quiet:
        worst = max(quiet, key=lambda row: row["value"])
        goals.append(
            [f"drift: false alarms in 1,000 windows, worst world ({worst['world']})", "at most 1", alarms(worst)]
        )
    for before, goal in ((20_000, "75 %"), (100_000, "90 %")):
        for row in rows("drift", world="found: mean +0.2 sd", reference_rows=before):
            what = (
                f"drift: mean +0.2 sd in 1 of 20 columns shown within 3 windows of 1,000 rows, reference of {before:,}"
            )
            goals.append([what, f"at least {goal}", rate(row)])
    return "## In short\n\n" + table(["figure", "goal", "measured"], goals)


def over(row: Row, which: str) -> str:
    return times(row[f"over_{which}"], row[f"over_{which}_se"])


def beside(section: str, extra: tuple[str, ...] = ()) -> str:
    """Worlds down, rules across."""
    found = rows(section)
    has = {row["rule"] for row in found}
    rules = ["Lockgate", *extra, *(rule for rule in RIVALS if rule in has)]
    worlds = list(dict.fromkeys(row["world"] for row in found))
    body = [[world, *(rate(one(section, world=world, rule=rule)) for rule in rules)] for world in worlds]
    return table(["stream", *rules], body)


def false_rollbacks() -> str:
    words = (
        "The canary is exactly as bad as the champion. How often is it ever stopped? Alpha .01; Lockgate looks after every "
        "call, the rivals after every 100. Fixed limits stand at twice the champion's usual rate (20 % over it for "
        "latency). They promise no rate; they are held to the same 1 % here."
    )
    parts = [
        "## False rollbacks",
        fill(words, WIDTH),
        "![False rollbacks by rule](guarantees/false-rollbacks.svg)",
    ]
    for kind, name in KINDS.items():
        section = f"rollback-{kind}"
        if section in HELD:
            length = HELD[section]["rows"][0]["calls"]
            parts += [f"**{name[0].upper()}{name[1:]}**, {length:,} calls", beside(section), made_by(section)]
    voids = [row for name in HELD if name.startswith("rollback-") for row in rows(name, rule="Lockgate, void")]
    if voids:
        worst = max(voids, key=lambda row: row["value"])
        said = (
            f"Beside these, at most {rate(worst)} of a stream's runs ended void: the check of the sample ratio has an error "
            f"rate of its own, promised at 1 %. A void verdict moves nothing."
        )
        parts.append(fill(said, WIDTH))
    return "\n\n".join(parts)


def false_promotions() -> str:
    words = (
        "The canary is exactly 1.5 times as bad, the margin. How often is it ever promoted? Alpha .05. The judge also rolls "
        "such canaries back, which ends many runs first; the second column takes the claim by itself, with nothing to stop "
        "it. The last columns are rules that only ever stop: they promote what is not stopped when the plan ends."
    )
    parts = ["## False promotions", fill(words, WIDTH)]
    for kind, name in KINDS.items():
        section = f"promotion-{kind}"
        if section in HELD:
            length = HELD[section]["rows"][0]["calls"]
            body = beside(section, ("Lockgate, nothing stops it first",))
            parts += [f"**{name[0].upper()}{name[1:]}**, {length:,} calls", body, made_by(section)]
    return "\n\n".join(parts)


def costs() -> str:
    found = rows("exposure", rule="Lockgate")
    body = [
        [row["world"], calls(row["value"]), calls(row["median"]), calls(row["p90"]), over(row, "labels"),
         over(row, "outcomes"), "-" if row["goal"] is None else f"{row['goal']:g}",
         wait(row["value"], 1.0 if row["kind"] == "paired" else 0.05)]
        for row in found
    ]  # fmt: skip
    rules = [rule for rule in RIVALS if rows("exposure", rule=rule)]
    shown = [row["world"] for row in found if any(rows("exposure", rule=rule, world=row["world"]) for rule in rules)]
    rivals = [
        [world, calls(one("exposure", rule="Lockgate", world=world)["value"]), *(spent(world, rule) for rule in rules)]
        for world in shown
    ]
    head = [
        "harm",
        "calls, mean",
        "median",
        "nine in ten within",
        "over the limit, same news",
        "over the limit, all news",
    ]
    return f"""## What a bad canary costs

How many canary calls (pairs, where both versions score every call) go by until the rollback, at an alpha of .01 and 5 % of
the traffic? **The limit** is the mean of Wald's one-sided sequential probability ratio test told both true distributions,
run on the same streams with its overshoot. No test with that error rate stops sooner on average. It is given twice. *Same
news*: it reads what a label bet reads, the arm of each bad call (each call, for accuracy and latency) or of each pair in
which one version failed. *All news*: it also knows the champion's distribution beforehand and reads every outcome, which
nobody can do while the base rate moves. For pairs it is told even how often both versions fail, so there it is no fair
measure. The goals are for the same news. Runs that ended void are left out.

![Cost over the limit](guarantees/exposure.svg)

{table([*head, "goal", f"at {PER_DAY:,} calls a day"], body)}

The same canaries under the rivals, mean canary calls. Shares that were never stopped within the stream are in brackets and
count with all their calls. A rival that is quick here and bold above buys its speed with false rollbacks.

{table(["harm", "Lockgate", *rules], rivals)}

{made_by("exposure")}"""


def spent(world: str, rule: str) -> str:
    found = rows("exposure", rule=rule, world=world)
    if not found:
        return "-"
    late = found[0]["not_stopped"] / found[0]["paths"]
    return calls(found[0]["value"]) + (f" ({percent(late)})" if late else "")


def promoting() -> str:
    body = [
        [row["world"], calls(row["median"]), f"{calls(row['value'])} ± {calls(row['se'])}",
         f"{row['median'] / PER_DAY * 24:.1f} hours", percent(row["promoted"])]
        for row in rows("ladder")
    ]  # fmt: skip
    head = ["plan", "calls, median", "mean", f"median at {PER_DAY:,} a day", "promoted in the end"]
    return f"""## How long an equal canary waits

A canary exactly as good as the champion, margin 1.5, alpha .05. The ladder climbs 1, 5, 25, 50 % as each step is shown safe.

{table(head, body)}

{made_by("ladder")}"""


def interval_and_lot() -> str:
    ends = {"low": "truth ever below the interval", "high": "truth ever above it"}
    worlds = list(dict.fromkeys(row["world"] for row in rows("coverage")))
    covered = [[world, *(rate(one("coverage", world=world, end=end)) for end in ends)] for world in worlds]
    lots = [
        [row["world"], rate(row), calls(one("sample_ratio", world=row["world"], lost=0.2)["median"])]
        for row in rows("sample_ratio", lost=0.0)
    ]
    return f"""## The interval, and the sample ratio

The ratio's interval is a confidence sequence: it may be read after every failure. Each end promises 5 % here, over all time.

{table(["stream", *ends.values()], covered)}

{made_by("coverage")}

The check of the sample ratio voids a verdict when the arms do not come up as their shares said. Over 20,000 calls a fair lot
is void at most once in a hundred times; a lot that loses a fifth of the canary's calls is void after so many calls.

{table(["shares", "fair lot, ever void", "a fifth lost: calls until void, median"], lots)}

{made_by("sample_ratio")}"""


def failing() -> str:
    body = [
        [row["world"], "false rollback" if row["wrong"] == "roll_back" else "false promotion", percent(row["promised"]),
         rate(row), rate(row | {"value": row["alone"], "se": math.sqrt(row["alone"] * (1 - row["alone"]) / row["paths"])}),
         percent(row["void"]), percent(row["refused"])]
        for row in rows("broken")
    ]  # fmt: skip
    head = ["what happens", "error", "promised", "measured", "bets alone", "void", "refused"]
    return f"""## When it fails

The proof leans on five things. Each is shown kept or broken, on failures of 2 %.
1. **A unit bets once.** Users who stay and who differ are not independent call by call. Give `unit`; the first failure
   (call, for accuracy and latency) of each is taken.
2. **The share is the one in force when the call was routed.** Record it with the call, not when the outcome comes.
3. **Outcomes are matured.** Judge a call when its horizon has passed, not when its outcome happens to come: bad news may
   travel slower.
4. **The lot is fair and the assignment stable.** Arms come up by their shares, units never go back, and arm means
   assignment, whoever answered in the end.
5. **"So far".** A verdict on calls is about the traffic seen. Whether a version is better in the long run is asked of
   [blocks](#worth-by-blocks), because each version can have good and bad days of its own.

![False verdicts when an assumption is broken](guarantees/broken.svg)

"Bets alone" is the error of the bets without the checks around them: many faults are caught by the sample ratio (void) or
at the door (refused) before they do harm. Not all are.

{table(head, body)}

{made_by("broken")}"""


def worth() -> str:
    if "blocks" not in HELD:
        return "## Worth, by blocks\n\nNot measured yet: `python docs/guarantees/measure.py --only blocks`."
    memories = ("independent", "new", "short", "long")
    worlds = [row["world"] for row in rows("blocks", rule="short", promised=0.05)]
    body = [
        [world, *(rate(one("blocks", rule=memory, world=world, promised=0.05)) for memory in memories),
         *(rate(one("blocks", rule=memory, world=world, promised=0.01)) for memory in memories[1:])]
        for world in worlds
    ]  # fmt: skip
    needed = [
        [world, *(calls(one("blocks", rule=memory, world=world)["median"]) for memory in memories)]
        for world in dict.fromkeys(row["world"] for row in rows("blocks") if "promised" not in row)
    ]
    head = ["world", *(f"{m}, .05" for m in memories), *(f"{m}, .01" for m in memories[1:])]
    return f"""## Worth, by blocks

"Will it go on being better?" is asked of blocks of time, one day by default. The mean difference is 0; a look after each of
400 blocks. *Independent* is exact for normal blocks that are independent, and fails elsewhere, as bold shows. The others are
calibrated: the table is their guarantee. Each memory promises for the worlds it is declared for: *short* and *new* for shocks
of some three blocks, *long* for a week; bold beyond that shows what a wrong declaration costs. In the last four worlds the
mean is 0 over the whole stretch only: before a falling trend, or a level that shifts down, the version was truly better, so a
verdict there was right when it was given and wrong later. No test of the past excludes that, which is why the champion is
judged again as days close.

{table(head, body)}

Blocks until the verdict at .05, median; the effect is in standard deviations of one block:

{table(["effect", *memories], needed)}

{made_by("blocks")}

{flights()}"""


def flights() -> str:
    """The real year: what each pair comes to, and after how many days."""
    memories = ("short", "new", "independent", "long")
    once = ("18-31 March, looked at once", "April, looked at once")
    body = [[row["pair"], *(row[name] for name in once), *(row[m] for m in memories)] for row in FLIGHTS]
    return f"""### On a year of real flights

Models frozen before 1 April judge every flight from then on, day by day; the second of each pair is the challenger. The
history of *short* and *long* is February and March by models that saw January alone. Block by block, two seeds of one model
are never told apart, and the weather model is not called worse after a bad April. A single look promises less: it is wrong
one time in twenty, oftener where days go together, and here a fortnight does tell two seeds apart.

{table(["pair", *once, *(f"from 1 April, {memory}" for memory in memories)], body)}

*Made by `python docs/guarantees/flights_compare.py`: `lockgate.compare` by day, log loss in the first two columns, Brier in
the others, alpha .05.*"""


def changing() -> str:
    if not rows("change"):
        return "## Change over time\n\nNot measured yet: `python docs/guarantees/measure.py --only change`."
    body = [
        [row["world"], calls(row["best"]), times(row["value"], row["se"]),
         times(late["value"], late["se"])]
        for row, late in zip(rows("change", baseline="known"), rows("change", baseline="estimated"), strict=True)
    ]  # fmt: skip
    quiet = [
        [row["world"].removeprefix("quiet: "), times(row["value"], row["se"])]
        for row in rows("change")
        if row["world"].startswith("quiet")
    ]
    head = ["loss rises from, to", "best CUSUM, records", "known baseline", "baseline from 20,000 rows"]
    return f"""## Change over time

How long the detector takes after a change, over the CUSUM that was told both rates; run length to a false alarm 5,000.

{table(head, body)}

How long it runs in quiet times, over the run length that is promised: 1 or more keeps the promise.

{table(["quiet stream", "over the promise"], quiet)}

{made_by("change")}"""


def drifting() -> str:
    if not rows("drift"):
        return "## Drift\n\nNot measured yet: `python docs/guarantees/measure.py --only drift`."
    quiet = [row for row in rows("drift") if "promised_alarms" in row]
    sizes = list(dict.fromkeys((row["reference_rows"], row["rows"]) for row in quiet))
    body = [
        [world, *(alarms(one("drift", world=world, reference_rows=before, rows=window)) for before, window in sizes)]
        for world in dict.fromkeys(row["world"] for row in quiet)
    ]
    clusters = [
        [row["world"], alarms(row), alarms(tempered)]
        for row in rows("drift", deff=1)
        for tempered in rows("drift", world=row["world"])
        if tempered["deff"] > 1
    ]
    found = [row for row in rows("drift") if row["world"].startswith("found: ")]
    befores = sorted({row["reference_rows"] for row in found})
    soon = [
        [world.removeprefix("found: "), *(
            cell
            for before in befores
            for row in [one("drift", world=world, reference_rows=before)]
            for cell in (until(row), rate(row))
        )]
        for world in dict.fromkeys(row["world"] for row in found)
    ]  # fmt: skip
    head = [f"{window:,} rows against {before:,}" for before, window in sizes]
    return f"""## Drift

Alarms in 1,000 windows of 20 columns and 105 pairs together, where one is promised: ten columns normal, five exponential,
five categories, and the pairs of the numbers. For each figure {quiet[0]["paths"]} references of real rows are drawn,
each with 1,000 windows, and each may mislead; the bets are those that `lockgate.DriftJudge` draws up on them. Windows are
drawn as counts of cells, which are all that the judge sees (`tests/calibration/test_drift_counts.py` holds them against
rows). In none of these worlds does a
window leave the ball of 2 % total variation about the truth behind its reference. *Quiet*: nothing moves. *Rim*: every column
and pair stands at the ball's rim, where a bet on its mean gains most. *Wandering*: each goes to and fro between two such
places. *Spiking*: each window jumps to another place on the rim.

{table(["world", *head], body)}

That is far under the promise, and meant: the ball and the reference's own error are granted in full, always. What it costs is
the small changes that are never shown, below.

{quiet_windows()}

Rows that come in clusters, all of a cluster alike, in 200 quiet windows where one alarm is promised: as if they were
independent, and tempered by the design effect, which has to be given (`deff`).

{table(["rows", "as if independent", "tempered"], clusters)}

How soon a change of one column in 20, or of one pair in 190, is shown in windows of 1,000 rows, at one false alarm in 1,000
windows over everything: the median number of windows, and the share of runs within three.

{table(["change", *(name for before in befores for name in (f"windows, against {before:,}", "within 3"))], soon)}

{made_by("drift")}"""


def quiet_windows() -> str:
    """The tools themselves, on the same windows."""
    sizes = [(row["reference_rows"], row["rows"]) for row in next(iter(QUIET.values()))]
    body = [
        [tool, *(
            cell
            for row in found
            for cell in (f"{percent(row['value'])} ± {100 * max(row['se'], 1 / row['windows']):.0f}", f"{row['columns']:.2f}")
        )]
        for tool, found in QUIET.items()
    ]  # fmt: skip
    drawn = next(iter(QUIET.values()))[0]
    head = ["tool, at its defaults"]
    for before, window in sizes:
        head += [f"windows flagged, {window:,} rows against {before:,}", "columns in each"]
    return f"""**The rivals at their defaults**, run themselves on the same {drawn["windows"]} windows of twenty such columns,
nothing having moved: the share of windows in which a tool calls at least one column drifted, and of how many columns it says
so on average. {drawn["references"]} references; a standard error is over them.

{table(head, body)}

A window is flagged there because each column is tested by itself, again in each window, and nothing pays for that. Above
1,000 rows of reference Evidently goes over to distances against a fixed limit: quiet where windows are large, and no promise.

*Made by `lockgate_alarms.py`, `evidently_alarms.py` and `nannyml_alarms.py` in benchmarks/monitoring, each in an environment
of its own, with `--out docs/guarantees/quiet_windows.json`.*"""


def decaying() -> str:
    if not rows("decay"):
        return "## Decay\n\nNot measured yet: `python docs/guarantees/measure.py --only decay`."
    tests = list(dict.fromkeys(row["rule"] for row in rows("decay")))
    sizes = list(dict.fromkeys(row["size"] for row in rows("decay") if "size" in row))
    body = [
        [
            world,
            *(
                " / ".join(_share(one("decay", world=world, rule=test, where=where)) for test in tests)
                for where in ("at the bar", "within")
            ),
            *(
                " / ".join(_waited(one("decay", world=world, rule=test, size=size)["value"]) for test in tests)
                for size in sizes
            ),
        ]
        for world in dict.fromkeys(row["world"] for row in rows("decay"))
    ]
    return f"""## Decay

How often a champion is called decayed in 400 days that is not: where its mean day stands at the very bar that its skill sets,
and *within*, where it is half of a day's standard deviation better. And where each day from day 100 on is worse by so many
standard deviations, the median days until it is told. Each cell: block test (one champion in 20 over its whole life) /
e-detector (one false alarm in 400 days) / the sooner of both, as the [loop](estimates.md#degradation) tells at
`false_alarms_per_year = 4`.

{table(["world", "false alarms at the bar", "within", *(f"+{size:g} sd" for size in sizes)], body)}

An e-detector that keeps its promise to the letter alarms in two thirds of 400 quiet days, were its false alarms to come like
accidents. A loss of skill that does not matter is what `monitor.tolerance` is for: it keeps a good champion off the bar. The
rate is calibrated: measured on these worlds, not proved for days that come in runs. The detector's bounds (-5 and 10 spreads
of a day) were chosen among several tried on worlds of this kind; the table and the test use other seeds.

{made_by("decay")}"""


def _share(row: Row) -> str:
    text = percent(row["value"])
    spread = math.sqrt(row["promised"] * (1 - row["promised"]) / row["paths"])
    return f"**{text}**" if row["value"] > row["promised"] + 3 * spread else text


def _waited(days: float) -> str:
    return "not in 300" if days >= 300 else f"{days:.0f}"


def alarms(row: Row) -> str:
    """Alarms a run; bold where they are more than the one that is promised, by three standard errors."""
    text = f"{row['value']:.2f} ± {row['se']:.2f}" if row["value"] < 10 else f"{row['value']:.0f} ± {row['se']:.0f}"
    return f"**{text}**" if row["value"] > 1 + 3 * row["se"] else text


def until(row: Row) -> str:
    """The median; where more than half of the runs ended without an alarm, that they did."""
    return f"not in {row['longest'] - 1:.0f}" if row["median"] >= row["longest"] > 10 else calls(row["median"])


def whole() -> str:
    if not rows("rollouts"):
        return "## Whole rollouts\n\nNot measured yet: `python docs/guarantees/measure.py --only rollouts`."
    body = [
        [row["world"], row["rule"], f"{row['median']:.4g}" if "median" in row else "",
         times(row["value"], row["se"]) if "median" in row else rate(row)]
        for row in rows("rollouts")
    ]  # fmt: skip
    return f"""## Whole rollouts

Simulated traffic through the real guardrails, worth test and controller, on the default ladder, from the start to the end of
each. *Healthy* challengers are like their champion, which fails .5 to 2 % of its calls; good and bad days and the day's
difference of losses go on from day to day (lag-1 .3). The plan is made beforehand of 28 days of history, as a workspace makes
it. *Late*: a challenger that fails 1.5 times as often on steps without a shadow, its failures reported four times later than
the champion's, within the call's deadline. Joined as they come in they would promote it; a call is judged once it is older
than its deadline.

{table(["challenger", "figure", "median", "rate or mean"], body)}

{made_by("rollouts")}"""


def others() -> str:
    return """## The rivals and their sources

Each is restated in a few lines in `lockgate.sim.rivals`, with the constants of its source, and sees the same streams. Rules
that lean on a normal limit stay silent until each arm has five failures (30 calls for latency), in their favour.
- **Peeking z test**: a test for two proportions at a fixed size, looked at again and again. Armitage, McPherson, Rowe (1969)
  say why not.
- **Mixture SPRT**: always-valid p-values by a normal mixture, as A/B platforms run them. Johari, Koomen, Pekelis, Walsh
  (2017, 2022). Two-sided at alpha; its harmful side alone is counted. The mixture's width, which is left open, is an effect
  as large as the champion's rate (20 % of the latency).
- **Asymptotic sequence**: the one-sided asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas
  (2021, [arXiv 2103.06476](https://arxiv.org/abs/2103.06476)), tuned for 10,000 calls. *Pooled*: on the plain difference of
  means. *Weighted*: on each call's own estimate with its recorded share, the form that the paper gives for experiments.
- **Limit on the canary**: its rate in a window of 1,000 calls under a fixed number, rolled back at the fourth failed check,
  as in [Argo Rollouts' example](https://argoproj.github.io/argo-rollouts/features/analysis/) (failureLimit 3).
- **Limit over the champion**: the same against the champion's rate, rolled back at the fifth failed check, as many as
  [Flagger's example](https://docs.flagger.app/usage/metrics) has (threshold 5).
- **Sliding Mann-Whitney**: ranks of the canary's bucket means against those of as many champion's calls, 98 % confidence, in
  windows that slide, as automated canary analysis does ([Kayenta](https://github.com/spinnaker/kayenta)). Kayenta weighs many
  series into a score; this is one series.

What this does not show: of rollouts no tool was run itself (of [drift](#drift) they were), windows are counted in calls and
not minutes, and people set limits with knowledge that a simulation lacks.

## Make the figures again

```bash
make calibrate                                # the tests: every rate held to its promise
python docs/guarantees/measure.py             # 2,000 paths of everything, half an hour on two quick cores
python docs/guarantees/measure.py --short     # 100 paths, some minutes, to figures-short.json
python docs/guarantees/write.py               # this page, from figures.json
```"""


# ---- the drawings


def draw() -> None:
    named = {"false-rollbacks": _rollback_chart, "exposure": _exposure_chart, "broken": _broken_chart}
    for name, chart in named.items():
        plain = chart().configure(background="transparent", font="sans-serif", view=alt.ViewConfig(stroke=None))
        styled = plain.configure_axis(
            labelColor=GREY, titleColor=GREY, gridColor=GREY, gridOpacity=0.2, domainColor=GREY, tickColor=GREY,
            labelFontSize=12, titleFontSize=12, titleFontWeight="normal", labelLimit=420,
        ).configure_legend(labelColor=GREY, titleColor=GREY, labelFontSize=12)  # fmt: skip
        styled.save(HERE / f"{name}.svg")


def _rollback_chart() -> alt.LayerChart:
    """A mark per stream, every kind; rates under a twentieth of a percent stand at 0."""
    data = [
        {"rule": row["rule"], "rate": max(row["value"], 5e-4), "whose": OURS if row["rule"] == "Lockgate" else OTHERS}
        for section in HELD
        if section.startswith("rollback-")
        for row in HELD[section]["rows"]
        if row["rule"] == "Lockgate" or row["rule"] in RIVALS
    ]
    base = alt.Chart(alt.Data(values=data), width=520, height=220)
    scale = alt.Scale(type="log", domain=[4e-4, 1])
    axis = alt.Axis(
        values=[5e-4, 0.001, 0.01, 0.1, 1], labelExpr="datum.value < .001 ? '0' : format(datum.value, '~%')"
    )
    points = base.mark_tick(thickness=3, size=16, opacity=0.75).encode(
        alt.X("rate:Q", scale=scale, axis=axis, title="false rollbacks, one mark per stream (line: the 1 % promised)"),
        alt.Y("rule:N", sort=["Lockgate", *RIVALS], title=None),
        alt.Color("whose:N", scale=None),
    )
    line = alt.Chart(alt.Data(values=[{"x": 0.01}])).mark_rule(color=GREY, strokeDash=[4, 3], strokeWidth=1.5)
    return alt.layer(line.encode(alt.X("x:Q", scale=scale)), points)


def _exposure_chart() -> alt.LayerChart:
    data = [
        {"harm": row["world"], "over": row["over_labels"], "low": row["over_labels"] - 2 * row["over_labels_se"],
         "high": row["over_labels"] + 2 * row["over_labels_se"], "goal": row["goal"]}
        for row in rows("exposure", rule="Lockgate")
    ]  # fmt: skip
    order = [row["harm"] for row in data]
    base = alt.Chart(alt.Data(values=data), width=420, height=26 * len(order))
    harm = alt.Y("harm:N", sort=order, title=None)
    scale = alt.Scale(domain=[1, 2.05])
    title = "times the limit, with two standard errors (tick: the goal)"
    return alt.layer(
        base.mark_rule(color=OURS, strokeWidth=2).encode(
            alt.X("low:Q", scale=scale, title=title), alt.X2("high:Q"), harm
        ),
        base.mark_point(color=OURS, filled=True, size=70, opacity=1).encode(alt.X("over:Q", scale=scale), harm),
        base.transform_filter("datum.goal != null")
        .mark_tick(color=OTHERS, thickness=2.5, size=18)
        .encode(alt.X("goal:Q", scale=scale), harm),
    )


def _broken_chart() -> alt.LayerChart:
    data = [
        {"what": row["world"], "rate": row["alone"], "promised": row["promised"],
         "whose": OURS if row["world"].startswith("kept") else OTHERS}
        for row in rows("broken")
    ]  # fmt: skip
    order = [row["what"] for row in data]
    base = alt.Chart(alt.Data(values=data), width=320, height=26 * len(order))
    what = alt.Y("what:N", sort=order, title=None)
    title = "false verdicts of the bets alone (tick: the rate promised)"
    return alt.layer(
        base.mark_bar(height=12).encode(
            alt.X("rate:Q", axis=alt.Axis(format="~%"), title=title), what, alt.Color("whose:N", scale=None)
        ),
        base.mark_tick(color=GREY, thickness=2.5, size=18).encode(alt.X("promised:Q"), what),
    )


PARTS: tuple[Callable[[], str], ...] = (
    meaning, in_short, false_rollbacks, false_promotions, costs, promoting, failing, interval_and_lot, worth, changing,
    drifting, decaying, whole, others,
)  # fmt: skip


if __name__ == "__main__":
    PAGE.write_text("\n\n".join(part() for part in PARTS) + "\n")
    draw()
