"""The fold takes entries by the batch, as columns; taken one by one, as objects, they give the same calls to the bit."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.monitor import open_calls, part, serials
from lockgate.monitor.fold import DAY_S, LATE_S, PATIENCE_S, SLACK_S, Fold
from lockgate.monitor.joined import Joined
from lockgate.monitor.ways import ROUTED, Said
from lockgate.records import Cell, Outcome, Prediction, Shadow
from lockgate.records.prediction import LogEntry

HORIZON_S = DAY_S
FLAGS = ((), (), ("x: above range",), ("input x: missing",), ("input x: above range", "y: below range"))


@dataclass
class Held:
    """What is known of one call."""

    prediction: Prediction
    shadows: dict[str, Shadow] = field(default_factory=dict)
    outcome: Outcome | None = None
    is_unripe: bool = True
    is_judged: bool = False

    @property
    def key(self) -> tuple[float, str]:
        return self.prediction.asked_s, self.prediction.id


class OneByOne:
    """A fold as one would write it first."""

    def __init__(self) -> None:
        self.open: dict[str, Held] = {}
        self.closed: dict[str, float] = {}
        self.early: dict[str, list[Shadow | Outcome]] = defaultdict(list)
        self.closed_until_s = self.watermark_s = -math.inf
        self.late_shadows: list[str] = []
        self.late_outcomes = self.unknown_outcomes = 0

    def feed(self, entries: Sequence[LogEntry]) -> None:
        for entry in entries:
            if isinstance(entry, Prediction):
                self.take_call(entry)
            elif entry.id in self.open:
                self.attach(self.open[entry.id], entry)
            else:
                self.keep(entry)

    def take_call(self, call: Prediction) -> None:
        self.watermark_s = max(self.watermark_s, call.asked_s)
        if call.id in self.open:
            return
        if call.asked_s < self.closed_until_s:
            self.closed[call.id] = call.asked_s
            self.early.pop(call.id, None)
            return
        self.open[call.id] = Held(call, is_unripe=call.rollout is not None)
        for fact in self.early.pop(call.id, ()):
            self.attach(self.open[call.id], fact)

    def keep(self, fact: Shadow | Outcome) -> None:
        if isinstance(fact, Shadow):
            if fact.asked_s >= self.closed_until_s:
                self.early[fact.id].append(fact)
        elif fact.id in self.closed:
            self.late_outcomes += 1
        elif fact.at_s >= self.closed_until_s - LATE_S:
            self.early[fact.id].append(fact)

    def attach(self, held: Held, fact: Shadow | Outcome) -> None:
        if isinstance(fact, Shadow):
            if held.is_judged and not held.shadows:
                self.late_shadows.append(fact.id)
            held.shadows.setdefault(fact.version, fact)
        elif held.outcome is None or fact.received_s >= held.outcome.received_s:
            held.outcome = fact

    def ripe(self, rollout: str) -> list[Held]:
        waiting = [held for held in self.open.values() if held.is_unripe]
        found: list[Held] = []
        is_held_back = False
        for held in sorted(waiting, key=lambda one: one.key):
            if held.prediction.rollout != rollout:
                held.is_unripe = False
                continue
            age_s = self.watermark_s - held.prediction.asked_s
            is_held_back |= age_s < SLACK_S or (age_s < PATIENCE_S and not held.shadows)
            if not is_held_back:
                held.is_unripe, held.is_judged = False, True
                found.append(held)
        return found

    def close(self, day: float) -> None:
        self.closed_until_s = day + DAY_S
        for name, held in list(self.open.items()):
            if held.prediction.asked_s < self.closed_until_s:
                self.closed[name] = held.prediction.asked_s
                del self.open[name]
        for name, facts in list(self.early.items()):
            when_s = max(fact.asked_s if isinstance(fact, Shadow) else fact.at_s for fact in facts)
            if when_s < self.closed_until_s:
                self.unknown_outcomes += sum(isinstance(fact, Outcome) for fact in facts)
                del self.early[name]


@st.composite
def batches(draw: st.DrawFn) -> list[tuple[list[LogEntry], bool]]:
    """What a log tells of up to 30 calls over three days, in any order and partly twice; whether it is judged after each."""
    entries: list[LogEntry] = []
    seconds = st.integers(0, 6).map(lambda n: n * DAY_S / 2 + 10.0) | st.integers(0, 200).map(lambda n: 2 * DAY_S + n)
    for number in range(draw(st.integers(1, 30))):
        name, asked_s = f"c{number}", draw(seconds)
        entries += [call(draw, name, asked_s) for _ in range(draw(st.sampled_from([1, 1, 1, 0, 2])))]
        entries += [shadow(draw, name, asked_s) for _ in range(draw(st.integers(0, 2)))]
        entries += [outcome(draw, name, asked_s) for _ in range(draw(st.integers(0, 2)))]
    shuffled = draw(st.permutations(entries)) if entries else []
    cuts = sorted(draw(st.lists(st.integers(0, len(shuffled)), max_size=5)))
    edges = zip([0, *cuts], [*cuts, len(shuffled)], strict=True)
    return [(shuffled[start:end], draw(st.booleans())) for start, end in edges]


def call(draw: st.DrawFn, name: str, asked_s: float) -> Prediction:
    arm = draw(st.sampled_from(["champion", "challenger"]))
    return Prediction(
        id=name,
        model="m",
        unit=draw(st.sampled_from([name, "u", "\0"])),
        asked_s=asked_s,
        answered_s=asked_s + 0.5,
        arm=arm,  # type: ignore[arg-type]
        version=draw(st.sampled_from(["old", "new"])),
        served_by="old",
        value=draw(st.floats()),
        latency_ms=1.5,
        share=draw(st.sampled_from([0.05, 0.25])),
        rollout=draw(st.sampled_from(["r1", "r1", "r2", None])),
        failure=draw(st.sampled_from([None, None, "late", ""])),
        flags=draw(st.sampled_from(FLAGS)),
        inputs=draw(st.sampled_from([(), (1.5, "a"), (None, True, 3)])),
    )


def shadow(draw: st.DrawFn, name: str, asked_s: float) -> Shadow:
    return Shadow(
        id=name,
        model="m",
        version=draw(st.sampled_from(["old", "new", "third"])),
        rollout=draw(st.sampled_from(["r1", "r1", "r2", None])),
        asked_s=asked_s,
        value=draw(st.none() | st.floats()),
        latency_ms=1.0,
        failure=draw(st.sampled_from([None, "late"])),
        flags=draw(st.sampled_from(FLAGS)),
    )


def outcome(draw: st.DrawFn, name: str, asked_s: float) -> Outcome:
    at_s = asked_s + draw(st.sampled_from([5.0, DAY_S / 3]))
    return Outcome(id=name, model="m", value=draw(st.floats()), at_s=at_s, received_s=draw(st.integers(0, 2)) + 0.5)


def told(held: Held) -> bytes:
    """As bytes, where NaN is NaN and -0.0 is not 0.0."""
    call = held.prediction
    own = (call.id, call.unit, call.asked_s, call.value, call.latency_ms)
    return encoded(own, call, held.shadows, held.outcome)


def all_told(calls: Joined) -> list[bytes]:
    return [encoded((c.id, c.unit, c.asked_s, c.value, c.latency_ms), c.routed, c.shadows, c.outcome) for c in calls]


def encoded(
    own: tuple[object, ...], routed: Prediction, shadows: Mapping[str, Shadow | Said], outcome: Outcome | None
) -> bytes:
    said = [(s.version, s.rollout, s.value, s.failure, s.flags) for s in shadows.values()]
    return msgspec.msgpack.encode((own, [getattr(routed, field) for field in ROUTED], said, outcome))


@pytest.mark.parametrize("most", [3, 8_192])
@given(batches())
@settings(deadline=None, max_examples=150)
def test_batches_give_what_entries_one_by_one_give(most: int, came: list[tuple[list[LogEntry], bool]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for place, size in ((open_calls, "MOST"), (open_calls, "SMALL"), (serials, "LATEST")):
            patch.setattr(place, size, min(most, getattr(place, size)))
        fold, plain = Fold("m", horizon_s=HORIZON_S), OneByOne()
        for entries, is_judged in came:
            fold.feed(entries)
            plain.feed(entries)
            if is_judged:
                assert all_told(fold.ripe("r1")) == [told(one) for one in plain.ripe("r1")]
                assert sorted(fold.late_shadows) == sorted(plain.late_shadows)
                for day, calls in fold.closable():
                    own = [held for held in plain.open.values() if day <= held.prediction.asked_s < day + DAY_S]
                    assert all_told(calls) == [told(one) for one in sorted(own, key=lambda one: one.key)]
                    assert calls.cells() == counted(own)
                    fold.close(day)
                    plain.close(day)
            assert sorted(all_told(fold.open_calls())) == sorted(map(told, plain.open.values()))
            seen = (fold.watermark_s, fold.late_outcomes, fold.unknown_outcomes)
            assert seen == (plain.watermark_s, plain.late_outcomes, plain.unknown_outcomes)
            assert fold.has_calls("r2") == any(held.prediction.rollout == "r2" for held in plain.open.values())


def counted(calls: Sequence[Held]) -> dict[float, Cell]:
    """Call by call."""
    found: dict[float, Cell] = {}
    for held in calls:
        alone = Fold("m", horizon_s=0.0)
        alone.feed([held.prediction, *held.shadows.values()])
        ((share, cell),) = alone.open_calls().cells().items()
        found[share] = found.get(share, Cell(share=share)) + cell
    return found


def test_the_size_of_a_part_is_looked_up_where_it_is_changed_here() -> None:
    assert open_calls.MOST == part.MOST
