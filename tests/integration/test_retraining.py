"""Retraining on what has turned out: rows out of the log, the window by evidence, the recipe replayed, the same gate."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import polars as pl
import pytest

from lockgate.errors import Conflict, ContractError, SpecError
from lockgate.records import Alarm, Block, Retraining, RetrainingState, Rollout, Verdict
from lockgate.report.ledger import verify

TIDE, FIRST = "tide", 40


def live(shop: Any, first: int, days: int, *, flipped: bool = False) -> Any:
    """Days of calls with their outcomes, scored by the champion, and the loop's turn after them. Returns the rows."""
    workspace = shop.open()
    table = shop.table(first, days)
    if flipped:
        table = table.with_columns(y=1 - pl.col("y"))
    found = workspace.score(TIDE, table, prefix=f"d{first}")
    known = (table["known_at"].dt.epoch("us") / 1e6).to_list()
    told = zip([p.id for p in found], map(float, table["y"].to_list()), known, strict=True)
    workspace.outcomes(TIDE, list(told))
    while workspace.tick().read:
        pass
    workspace.close()
    return table


def configured(shop: Any, text: str) -> None:
    file = shop.root / "lockgate.toml"
    file.write_text(file.read_text() + f"\n[model.tide.retrain]\n{text}\n")


def test_the_logs_rows_join_the_dataset_once_and_are_what_was_asked(workshop: Any):
    table = live(workshop, FIRST, 20)
    workspace = workshop.open()
    before = workspace.dataset(TIDE)
    done = workspace.retrain(TIDE, by="the tests")
    assert done.state is RetrainingState.MADE, done.sentence
    after = workspace.dataset(TIDE)
    assert done.dataset == after.ref
    assert 19 * 75 <= done.rows < 20 * 75, "calls younger than the horizon are left for the next time"
    assert after.rows == before.rows + done.rows
    taken = workspace.table(after.ref).filter(pl.col("boat").is_in(table["boat"].implode()))
    assert taken.sort("boat").equals(table.filter(pl.col("boat").is_in(taken["boat"].implode())).sort("boat"))
    assert workspace.version(done.version).lineage.dataset == after.ref
    assert workspace.retrain(TIDE, now=True, by="the tests").rows == 0, "the same rows are taken once"
    assert workspace.dataset(TIDE).ref == after.ref


def test_after_a_break_the_window_since_it_is_picked_by_evidence_and_why_shows_it(workshop: Any):
    live(workshop, FIRST, 15)
    live(workshop, FIRST + 15, 45, flipped=True)
    workspace = workshop.open()
    assert any(v.gate.name == "degradation" for v in workspace.wiring.records.all(Verdict, TIDE))
    plan = workspace.retraining_plan(TIDE)
    assert plan.is_due
    assert plan.causes == ("degradation",)
    assert plan.training.amount is not None
    assert plan.waiting.amount is not None
    assert plan.waiting.amount > 0

    done = workspace.retrain(TIDE, by="the tests")
    assert done.window == "since break", [workspace.why(done.id).lines]
    assert done.causes == ("by hand", "degradation")
    tried = {one.name: one for one in done.windows}
    assert tried["recent 90d"].left_out == "is all there is"
    assert tried["since break"].p < 0.05
    assert tried["since break"].loss < tried["all"].loss
    broke = (tried["since break"].since_s - 1_700_006_400.0) / 86400
    assert abs(broke - (FIRST + 15)) <= 2

    version = workspace.version(done.version)
    assert version.lineage.trained_from_s >= tried["since break"].since_s
    assert done.state is RetrainingState.MADE
    assert all(v.ruling != "fail" for v in workspace.gate(version))
    said = "\n".join(workspace.why(version.short).lines)
    assert "'since break'" in said
    assert "chosen" in said
    card = (workshop.home / "versions" / version.id / "card.md").read_text()
    assert "better than 'all'" in card
    assert verify(workspace.wiring.records.entries()).broken is None
    same = workspace.train_same(version)
    assert same.agreement.holds, "a version of a window is made again on that window"


@pytest.mark.slow
def test_without_a_break_the_default_stays(workshop: Any):
    live(workshop, FIRST, 30)
    done = workshop.open().retrain(TIDE, by="the tests")
    assert done.window == "all"
    assert {one.name: bool(one.left_out) for one in done.windows} == {
        "all": False,
        "recent 90d": True,
        "since break": True,
    }


@pytest.mark.slow
def test_the_recipe_is_replayed_at_past_cut_offs_and_says_that_it_is_the_recipe(workshop: Any):
    live(workshop, FIRST, 60)
    workspace = workshop.open()
    done = workspace.retrain(TIDE, by="the tests")
    found = next(v for v in workspace.wiring.records.all(Verdict, TIDE) if v.gate.name == "recipe")
    assert found.id in done.verdicts
    assert found.subject[0] == done.version
    assert "recipe" in found.sentence
    assert found.evidence.blocks >= 14


def test_what_holds_a_retraining_back_is_named_and_now_passes_over_it(workshop: Any):
    file = workshop.root / "lockgate.toml"
    file.write_text(file.read_text().replace('deadline = "30d"', 'deadline = "90d"'))  # which its plan keeps
    workspace = workshop.open()
    with pytest.raises(Conflict, match=r"no outcome has matured.*--now"):
        workspace.retrain(TIDE)
    assert workspace.retrain(TIDE, now=True).state is RetrainingState.MADE
    with pytest.raises(Conflict, match="waits for its rollout: lockgate rollout start"):
        workspace.retrain(TIDE)


@pytest.mark.slow
def test_auto_starts_the_ladder_and_a_person_is_told_otherwise(workshop: Any):
    configured(workshop, 'rollout = "auto"\nwindow = ["all"]')
    file = workshop.root / "lockgate.toml"
    file.write_text(file.read_text().replace('deadline = "30d"', 'deadline = "90d"'))
    live(workshop, FIRST, 15)
    live(workshop, FIRST + 15, 45, flipped=True)
    workspace = workshop.open()
    done = workspace.retrain(TIDE, by="the tests", window="since break")
    rollouts = workspace.wiring.records.all(Rollout, TIDE)
    assert [r.challenger for r in rollouts] == [done.version], done.sentence
    assert "started by itself" in done.sentence
    assert workspace.wiring.records.all(Alarm, TIDE)[-1].severity == "note", "the move itself is told"


def test_code_that_raises_is_a_failed_retraining_with_the_reason_and_an_alarm(workshop: Any):
    code = workshop.root / "lockgate_tidework.py"
    code.write_text(
        code.read_text().replace("def fit(table", "def fit(table, features):\n    1 / 0\n\n\ndef old(table")
    )
    done = workshop.run("retrain", TIDE, "--now", "--json", timeout_s=300)
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["state"] == "failed"
    assert "ZeroDivisionError" in found["sentence"]
    alarm = workshop.open().wiring.records.all(Alarm, TIDE)[-1]
    assert (alarm.cause, alarm.severity, alarm.next) == ("retraining", "ticket", "lockgate retrain tide --now")


OWN = """
import sys
from pathlib import Path
import polars as pl
from lockgate.workspace.workspace import Workspace

table = pl.read_parquet(sys.argv[1])
assert table.height > 3000, table.height
workspace = Workspace.open(".")
workspace.train("tide", name="mine", train_with="lockgate_tidework:fit_rival")
"""


def test_the_users_own_command_is_given_the_rows_and_its_version_is_gated(workshop: Any):
    (workshop.root / "own.py").write_text(OWN)
    configured(workshop, f'run = ["{sys.executable}", "-W", "ignore", "own.py", "{{table}}"]')
    live(workshop, FIRST, 20)
    workspace = workshop.open()
    done = workspace.retrain(TIDE, by="the tests")
    assert done.state is RetrainingState.MADE, done.sentence
    assert workspace.version(done.version).name == "mine"
    assert done.windows == ()
    assert "no windows were compared" in done.sentence


def test_a_command_that_leaves_no_version_is_a_failed_retraining(workshop: Any):
    configured(workshop, f'run = ["{sys.executable}", "-c", "print(1)"]')
    done = workshop.open().retrain(TIDE, now=True)
    assert done.state is RetrainingState.FAILED
    assert "left no version" in done.sentence
    assert "lockgate import" in done.sentence


def test_a_column_that_no_log_can_hold_is_refused_by_name(workshop: Any):
    workspace = workshop.open()
    from lockgate.workspace import datasets, logged_rows

    contract = datasets.contract(workspace.wiring, TIDE)
    file = workshop.home / "contracts" / "tide.json"
    told = json.loads(file.read_text())
    told["columns"].append(
        {"name": "swell", "type": "float", "is_known_before": False} | {"is_nullable": False, "on_break": "flag"}
    )
    live(workshop, FIRST, 3)
    file.write_text(json.dumps(told))
    with pytest.raises(ContractError, match=r"no 'swell'.*nullable"):
        logged_rows.take(workspace.wiring, TIDE, workspace.model(TIDE), event_s=workspace.event_s(TIDE))
    assert contract.column("swell") is None


def test_a_dry_run_says_why_with_what_and_what_it_costs_and_trains_nothing(workshop: Any):
    configured(workshop, 'when = ["degradation", "outcomes > 1000"]')
    live(workshop, FIRST, 20)
    said = workshop.run("retrain", TIDE, "--dry-run", timeout_s=300)
    assert said.returncode == 0, said.stderr
    for word in ("outcomes have matured", "window 'all'", "training costs", "CPU seconds", "waiting costs"):
        assert word in said.stdout, said.stdout
    assert said.stdout.rstrip().endswith("next: lockgate retrain tide")
    assert workshop.open().wiring.records.all(Retraining) == []


def test_a_push_is_taken_only_where_the_config_says_so(workshop: Any):
    with pytest.raises(SpecError, match="not retrained on a push"):
        workshop.open().push(TIDE, by="x")


@pytest.mark.slow
def test_the_loop_begins_a_due_retraining_by_itself_and_takes_up_one_that_died(workshop: Any, until: Any):
    configured(workshop, 'when = ["push"]\nwindow = ["all"]')
    live(workshop, FIRST, 10)

    def states() -> list[tuple[str, int]]:
        return [(str(r.state), r.attempt) for r in workshop.open().wiring.records.all(Retraining)]

    with workshop.serving() as server:
        answer = server.client.post(f"{server.pages}/retrain/{TIDE}", timeout=120)
        assert answer.status_code == 202, answer.text
        assert server.client.post(f"{server.pages}/retrain/{TIDE}", timeout=120).status_code == 409
        until(lambda: states() == [("running", 1)], "it runs", within_s=40)
    assert states() == [("running", 1)], "it ended with the loop"
    time.sleep(1)
    with workshop.serving():
        until(lambda: states() == [("made", 2)], "it was begun once more", within_s=150)
    assert len(workshop.open().wiring.records.all(Block, TIDE)) > 0


def test_one_whose_process_died_is_begun_once_more_and_then_cut_off(workshop: Any):
    from lockgate.workspace import claim, retrainings
    from lockgate.workspace.wire import wire

    workspace = workshop.open()
    wiring = workspace.wiring
    event_s = {TIDE: workspace.event_s(TIDE)}
    due = retrainings.due(wiring, TIDE, event_s=event_s[TIDE], pushed="push")
    one = retrainings.ask(wiring, TIDE, due, by="the tests", event_s=event_s[TIDE])
    running = {"state": RetrainingState.RUNNING}
    wiring.records.write(replaced(one, **running))
    with claim.claimed(wiring, TIDE, "a living process"):
        assert retrainings.take_up(wiring, event_s=event_s) == [], "its process lives"
        with pytest.raises(Conflict, match="being retrained by another process"), claim.claimed(wiring, TIDE, "two"):
            pass
    # As the next loop sees it, also where the dead one's lease had not run out yet.
    assert wiring.lease.acquire(claim.of_model(TIDE), "a dead process", now_s=time.time(), for_s=claim.CLAIM_S)
    assert retrainings.take_up(wiring, event_s=event_s) == []
    later = wire(wiring.project, wiring.spec, lambda: time.time() + claim.CLAIM_S + 1)
    (again,) = retrainings.take_up(later, event_s=event_s)
    assert (again.state, again.attempt) == (RetrainingState.ASKED, 2)
    assert "begun once more" in again.sentence
    wiring.records.write(replaced(again, **running))
    assert retrainings.take_up(later, event_s=event_s) == []
    ended = wiring.records.get(Retraining, one.id)
    assert ended.state is RetrainingState.CUT_OFF
    assert "died 2 times" in ended.sentence
    assert wiring.records.all(Alarm, TIDE)[-1].next == "lockgate retrain tide"


def test_no_more_are_retrained_at_once_than_the_workspace_says(workshop: Any):
    from lockgate.workspace import claim

    wiring = workshop.open().wiring
    with (
        claim.claimed(wiring, "another", "one"),
        pytest.raises(Conflict, match=r"1 retraining is under way.*at_once"),
        claim.claimed(wiring, TIDE, "two"),
    ):
        pass
    with claim.claimed(wiring, TIDE, "two"):
        pass


@pytest.mark.slow
def test_a_cron_job_retrains_what_is_due_and_tells_a_person(workshop: Any):
    configured(workshop, 'window = ["all"]\n[alerts]\nchannels = ["file:told/alerts.jsonl", "http://127.0.0.1:9/"]')
    assert workshop.run("watch", "--once", timeout_s=300).returncode == 0, "from here on the channels are told"
    live(workshop, FIRST, 15)
    live(workshop, FIRST + 15, 45, flipped=True)
    done = workshop.run("watch", "--once", timeout_s=300)
    assert done.returncode == 0, done.stderr
    (made,) = workshop.open().wiring.records.all(Retraining)
    assert made.causes == ("degradation",)
    told = [json.loads(line) for line in (workshop.root / "told" / "alerts.jsonl").read_text().splitlines()]
    assert len({one["id"] for one in told}) == len(told)
    assert {one["id"] for one in told} >= {f"a{made.id[1:]}", f"a{made.verdict[1:]}"}
    assert all(one["next"].startswith("lockgate ") for one in told)
    status = workshop.run("status", timeout_s=300)
    assert "The channel http://127.0.0.1:9 is down" in status.stdout
    assert f"{len(told)} notices wait" in status.stdout


def replaced(one: Retraining, **changed: Any) -> Retraining:
    import msgspec

    return msgspec.structs.replace(one, **changed)
