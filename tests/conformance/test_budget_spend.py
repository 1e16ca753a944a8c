"""The kit of spending: never more than the budget, whoever spends at once; a draw repeated is no second one."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import msgspec
import numpy as np
import pytest
import sqlalchemy as sa

from lockgate.decide import budget
from lockgate.errors import Conflict, InvariantBroken, SpecError
from lockgate.records import Alarm, BudgetSpec, Spend, decode, spend_id
from lockgate.report.ledger import verify
from lockgate.store.memory import MemoryRecords
from lockgate.store.ports import Records
from lockgate.store.sql import SqlRecords
from lockgate.store.sql_tables import connect_file

ADAPTERS: dict[str, Callable[[Path], Records]] = {
    "memory": lambda _: MemoryRecords(),
    "sqlite": lambda folder: SqlRecords(connect_file(folder / "new" / "lockgate.db")),
}
DAY = 86400.0
T0 = 1577836800.0  # 2020-01-01
CENT = 0.01


@pytest.fixture(params=ADAPTERS)
def records(request: pytest.FixtureRequest, tmp_path: Path) -> Records:
    return ADAPTERS[request.param](tmp_path)


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads that give way at every turn: else they hardly ever meet within one draw."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(usual)


def draw(name: str, alpha: float = CENT, at_s: float = T0, model: str = "delay") -> Spend:
    about = ("r1",)
    return Spend(
        id=spend_id(model, about, name), model=model, gate=name, alpha=alpha, at_s=at_s, written_s=5, rollout="r1"
    )


def drawn(records: Records, model: str = "delay") -> list[Spend]:
    """What the ledger itself says."""
    return [decode(Spend, e.body) for e in records.entries() if e.kind == "spend" and e.model == model]


def spends(records: Records, spec: BudgetSpec, *wanted: Spend) -> bool:
    try:
        records.spend(spec, *wanted)
    except SpecError:
        return False
    return True


def alarm(name: str) -> Alarm:
    return Alarm(
        id=name, model="delay", cause="drift", severity="note", sentence="s", next="n", verdict="v", at_s=1, written_s=2
    )


def test_a_draw_is_kept_and_chained(records: Records) -> None:
    records.spend(BudgetSpec(), draw("worth"))
    assert records.all(Spend, "delay") == drawn(records) == [draw("worth")]
    assert records.get(Spend, draw("worth").id) == draw("worth")
    (entry,) = records.entries()
    assert (entry.kind, entry.subject, entry.model, entry.written_s) == ("spend", draw("worth").id, "delay", 5)


def test_draws_verdicts_and_moves_share_one_chain(records: Records) -> None:
    records.write(alarm("a1"))
    records.spend(BudgetSpec(), draw("worth"), draw("safe at 5%"))
    records.write(alarm("a2"))
    records.spend(BudgetSpec(), draw("safe at 25%"))
    entries = records.entries()
    assert [e.kind for e in entries] == ["alarm", "spend", "spend", "alarm", "spend"]
    assert verify(entries).broken is None
    forged = msgspec.structs.replace(entries[1], body=entries[1].body.replace("0.01", "0.001"))
    assert verify([entries[0], forged, *entries[2:]]).broken.number == 2


def test_a_budget_is_spent_to_its_end_and_no_further(records: Records) -> None:
    spec = BudgetSpec(alpha=0.3)
    assert [spends(records, spec, draw(str(n), 0.1)) for n in range(5)] == [True, True, True, False, False]
    assert budget.remaining(spec, drawn(records), T0) == pytest.approx(0, abs=1e-15)


def test_a_refused_draw_writes_nothing_and_says_why(records: Records) -> None:
    records.write(alarm("a1"))
    records.spend(BudgetSpec(alpha=0.1), draw("worth", 0.08))
    before = records.entries()
    with pytest.raises(SpecError, match=r"budget of delay has 0\.02 left of 0\.1.*0\.05 is wanted"):
        records.spend(BudgetSpec(alpha=0.1), draw("more", 0.05))
    assert records.entries() == before
    assert records.count(Spend, "delay") == 1
    assert records.get(Spend, draw("more").id) is None


def test_several_are_drawn_together_or_not_at_all(records: Records) -> None:
    spec = BudgetSpec(alpha=0.1)
    three = [draw(name, 0.04) for name in "abc"]
    assert not spends(records, spec, *three)
    assert drawn(records) == []
    assert spends(records, spec, *three[:2])
    assert not spends(records, spec, three[2], draw("d", CENT))
    assert drawn(records) == three[:2]
    assert spends(records, spec, draw("d", CENT))


def test_nothing_to_spend_is_nothing(records: Records) -> None:
    records.spend(BudgetSpec())
    records.spend(BudgetSpec(), draw("worth"))
    records.spend(BudgetSpec())
    assert len(records.entries()) == 1


def test_a_draw_repeated_is_no_second_one_also_when_nothing_is_left(records: Records) -> None:
    """After a crash the same draw comes again, later; the one that was written stands."""
    spec, first = BudgetSpec(alpha=0.05), draw("worth", 0.05)
    again = msgspec.structs.replace(first, at_s=T0 + DAY, written_s=99, by="ada")
    records.spend(spec, first, first)
    records.spend(spec, again)
    assert drawn(records) == records.all(Spend) == [first]
    assert not spends(records, spec, again, draw("more"))
    assert drawn(records) == [first]


def test_part_of_a_draw_that_was_made_before_is_paid_once(records: Records) -> None:
    spec = BudgetSpec(alpha=0.03)
    records.spend(spec, draw("a"), draw("b"))
    records.spend(spec, draw("a"), draw("b"), draw("c"))
    assert [s.gate for s in drawn(records)] == ["a", "b", "c"]


def test_another_draw_under_one_id_is_a_conflict_and_keeps_nothing(records: Records) -> None:
    records.spend(BudgetSpec(), draw("worth", 0.05))
    with pytest.raises(Conflict, match="Another Spend"):
        records.spend(BudgetSpec(), draw("more"), draw("worth", CENT))
    with pytest.raises(Conflict, match="Another Spend"):
        records.spend(BudgetSpec(), draw("twice", 0.05), draw("twice", CENT))
    assert drawn(records) == [draw("worth", 0.05)]


def test_a_draw_cannot_be_written_past_its_budget(records: Records) -> None:
    with pytest.raises(InvariantBroken, match="unchecked"):
        records.write(alarm("a1"), draw("worth"))  # type: ignore[arg-type]
    assert records.entries() == []


def test_each_model_has_a_budget_of_its_own(records: Records) -> None:
    spec = BudgetSpec(alpha=0.05)
    assert spends(records, spec, draw("worth", 0.05))
    assert spends(records, spec, draw("worth", 0.05, model="fares"))
    assert not spends(records, spec, draw("more", model="fares"))
    with pytest.raises(SpecError, match="several models: delay, tide"):
        records.spend(BudgetSpec(), draw("x", model="tide"), draw("x"))
    assert drawn(records, "tide") == []


def test_what_was_spent_a_window_ago_is_back(records: Records) -> None:
    spec = BudgetSpec(alpha=0.05, window="30d")
    assert spends(records, spec, draw("a", 0.05))
    assert not spends(records, spec, draw("b", 0.05, T0 + 30 * DAY - 1))
    assert spends(records, spec, draw("b", 0.05, T0 + 30 * DAY))
    assert not spends(records, spec, draw("c", 0.05, T0 - 1))
    assert spends(records, spec, draw("c", 0.05, T0 - 30 * DAY))


def test_every_adapter_follows_the_one_rule_also_out_of_order(records: Records) -> None:
    rng = np.random.default_rng(7)
    spec = BudgetSpec(alpha=0.2, window="10d")
    outcomes = []
    for number in range(300):
        wanted = draw(str(number), float(rng.choice((0.01, 0.03, 0.05))), T0 + float(rng.integers(0, 60)) * DAY)
        try:
            budget.check(spec, drawn(records), wanted.alpha, wanted.at_s, model="delay")
            should = True
        except SpecError:
            should = False
        assert spends(records, spec, wanted) == should
        outcomes.append(should)
    assert 20 < sum(outcomes) < 280
    assert verify(records.entries()).broken is None


def test_eight_threads_spend_exactly_what_there_is(records: Records, restless: None) -> None:
    spec, together = BudgetSpec(alpha=2.0), Barrier(8)

    def spend(thread: int) -> int:
        together.wait(60)
        return sum(spends(records, spec, draw(f"{thread}-{number}")) for number in range(40))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(spend, range(8))) == 200
    assert len(drawn(records)) == records.count(Spend, "delay") == 200
    assert verify(records.entries()).broken is None


def test_threads_that_repeat_one_draw_pay_for_it_once(records: Records, restless: None) -> None:
    spec, together = BudgetSpec(alpha=0.1), Barrier(8)

    def spend(_: int) -> int:
        together.wait(60)
        return sum(spends(records, spec, draw(str(number))) for number in range(10))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(spend, range(8))) == [10] * 8
    assert len(drawn(records)) == 10


def test_draws_and_other_records_written_at_once_keep_one_chain(records: Records, restless: None) -> None:
    together = Barrier(4)

    def work(thread: int) -> None:
        together.wait(60)
        for number in range(10):
            records.spend(BudgetSpec(), draw(f"{thread}-{number}"))
            records.write(alarm(f"{thread}-{number}"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert len(records.entries()) == 80
    assert verify(records.entries()).broken is None


# Says "ready", waits for a line, then draws each of its names and says how each went.
SPEND = """
import sys
from pathlib import Path
from lockgate.errors import SpecError
from lockgate.records import BudgetSpec, Spend, spend_id
from lockgate.store.sql import SqlRecords
from lockgate.store.sql_tables import connect_file
file, alpha, names = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
records = SqlRecords(connect_file(file))
print("ready", flush=True)
sys.stdin.readline()
for name in names:
    spend = Spend(id=spend_id("delay", ("r1",), name), model="delay", gate=name, alpha=0.01, at_s=1577836800.0,
                  written_s=5, rollout="r1")
    try:
        records.spend(BudgetSpec(alpha=alpha), spend)
        print("spent", name, flush=True)
    except SpecError:
        print("refused", name, flush=True)
"""


def start(file: Path, alpha: float, names: list[str]) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", SPEND, str(file), str(alpha), *names]
    env = {"PYTHONPATH": ":".join(sys.path)}
    pipe = subprocess.PIPE
    process = subprocess.Popen(argv, env=env, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n", process.communicate(timeout=60)
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write("go\n")
    process.stdin.flush()


def finish(process: subprocess.Popen[str]) -> list[str]:
    """The names that it was let draw."""
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return [line.split()[1] for line in said.splitlines() if line.startswith("spent")]


def test_four_processes_and_eight_threads_at_once_spend_exactly_what_there_is(tmp_path: Path) -> None:
    file, spec = tmp_path / "lockgate.db", BudgetSpec(alpha=1.0)
    records = SqlRecords(connect_file(file))
    running = [start(file, spec.alpha, [f"{name}{number}" for number in range(20)]) for name in "abcd"]
    for process in running:
        go(process)

    def spend(thread: int) -> list[str]:
        return [name for n in range(20) if spends(records, spec, draw(name := f"{thread}-{n}"))]

    with ThreadPoolExecutor(8) as pool:
        told = [name for names in pool.map(spend, range(8)) for name in names]
    told += [name for process in running for name in finish(process)]
    assert len(told) == 100
    assert sorted(told) == sorted(s.gate for s in drawn(records))
    assert budget.remaining(spec, drawn(records), T0) == 0
    assert verify(records.entries()).broken is None


def test_processes_that_repeat_one_draw_pay_for_it_once(tmp_path: Path) -> None:
    file, names = tmp_path / "lockgate.db", [f"gate {number}" for number in range(15)]
    running = [start(file, 0.15, names) for _ in range(4)]
    for process in running:
        go(process)
    assert [len(finish(process)) for process in running] == [15] * 4
    found = SqlRecords(connect_file(file))
    assert sorted(s.gate for s in drawn(found)) == sorted(names)
    assert verify(found.entries()).broken is None


def test_a_process_killed_while_it_spends_begins_again_and_pays_for_nothing_twice(tmp_path: Path) -> None:
    """The budget is just enough for all of its draws once."""
    file, names = tmp_path / "lockgate.db", [f"g{number}" for number in range(60)]
    for lines in (3, 20, 41):
        process = start(file, 0.6, names)
        go(process)
        assert process.stdout
        for _ in range(lines):
            assert process.stdout.readline().startswith("spent")
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        assert verify(SqlRecords(connect_file(file)).entries()).broken is None
    last = start(file, 0.6, names)
    go(last)
    assert finish(last) == names
    found = SqlRecords(connect_file(file))
    assert [s.gate for s in drawn(found)] == names
    assert not spends(found, BudgetSpec(alpha=0.6), draw("one more"))


def database(tmp_path: Path) -> tuple[sa.Engine, SqlRecords]:
    engine = connect_file(tmp_path / "lockgate.db")
    return engine, SqlRecords(engine)


def test_what_is_left_follows_from_the_ledger_and_not_from_a_copy(tmp_path: Path) -> None:
    """A smaller alpha in the kept record buys nothing; one in the ledger is seen, and breaks the chain."""
    engine, records = database(tmp_path)
    spec = BudgetSpec(alpha=0.05)
    records.spend(spec, draw("worth", 0.05))
    change = "UPDATE {} SET body = replace(body, '0.05', '0.01') WHERE kind = :kind"
    with engine.begin() as db:
        assert db.execute(sa.text(change.format("record")), {"kind": "Spend"}).rowcount == 1
    assert not spends(records, spec, draw("more"))
    with engine.begin() as db:
        assert db.execute(sa.text(change.format("ledger")), {"kind": "spend"}).rowcount == 1
    assert spends(records, spec, draw("more"))
    assert verify(records.entries()).broken.number == 1


def test_a_database_made_before_there_was_a_budget_is_given_its_index(tmp_path: Path) -> None:
    engine, records = database(tmp_path)
    records.write(alarm("a1"))
    with engine.begin() as db:
        db.exec_driver_sql("DROP INDEX ledger_spends")
    engine, records = database(tmp_path)
    records.spend(BudgetSpec(), draw("worth"))
    query = sa.text(f"EXPLAIN QUERY PLAN {records._drawn.text}")
    with engine.begin() as db:
        (step,) = db.execute(query, {"model": "delay", "since_s": 0, "until_s": 1}).all()
    assert "ledger_spends (model=? AND <expr>>? AND <expr><?)" in step.detail


def test_draws_of_other_models_and_other_years_take_nothing_away(records: Records) -> None:
    wide, spec = BudgetSpec(alpha=50.0), BudgetSpec(alpha=0.05)
    records.spend(wide, *(draw(f"old {n}", at_s=T0 - 800 * DAY) for n in range(200)))
    records.spend(wide, *(draw(str(n), model="fares") for n in range(200)))
    assert spends(records, spec, draw("worth", 0.05))
    assert not spends(records, spec, draw("more"))
