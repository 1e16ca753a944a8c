"""The command as a person types it: exit codes, JSON, and errors as one sentence that names the place and the cure."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lockgate.cli.main import app, run
from lockgate.records import Dataset, Rollout, Version


@pytest.fixture
def cli(workshop, monkeypatch, capsys):
    """`lockgate ... -C FOLDER` through the command's own entry, in this process: what it says, and its exit code."""

    def call(*argv: object, root: Path | None = None) -> subprocess.CompletedProcess[str]:
        words = ["lockgate", *map(str, argv), "-C", str(root or workshop.root)]
        monkeypatch.setattr(sys, "argv", words)
        capsys.readouterr()
        code = 0
        try:
            run()
        except SystemExit as stop:
            code = int(stop.code or 0)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(words, code, said.out, said.err)

    return call


def lockgate(*argv: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lockgate", *map(str, argv)]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, cwd=cwd, check=False)


def refused(ran: subprocess.CompletedProcess[str], *words: str) -> None:
    """Exit 3, and on standard error one line from us, with these words in it."""
    assert ran.returncode == 3, ran.stderr
    lines = [line for line in ran.stderr.splitlines() if not line.startswith("  ")]
    assert len(lines) == 1, ran.stderr
    assert lines[0].startswith("lockgate: ")
    assert lines[0].endswith((".", "?", "init", "TABLE", "status", "log"))
    assert "bug" not in lines[0]
    for word in words:
        assert word in lines[0]
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""


def files(root: Path) -> dict[str, int]:
    """Every file of the project but for the database, which SQLite itself tidies: `datasets` reads that."""
    found = (path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {
        str(f.relative_to(root)): f.stat().st_size
        for f in found
        if not f.name.endswith(("-wal", "-shm", "lockgate.db"))
    }


def records(shop) -> list[tuple[int, str]]:
    return [(entry.number, entry.digest) for entry in shop.open().wiring.records.entries()]


@pytest.mark.parametrize(
    ("name", "code", "ruling"), [("trees", 0, "pass"), ("noise", 1, "fail"), ("rival", 2, "undecided")]
)
def test_the_gate_exits_by_its_ruling(workshop, name, code, ruling, cli):
    ran = cli("gate", workshop.versions[name], "--json")
    told = json.loads(ran.stdout)
    assert ran.returncode == code, [v["sentence"] for v in told]
    assert ruling in [v["ruling"] for v in told]
    again = cli("gate", workshop.versions[name])
    assert again.returncode == code
    assert ruling.upper() in again.stdout


@pytest.mark.parametrize(
    "argv",
    [("nosuch",), ("status", "--nosuch"), ("gate",), ("data", "tide"), ("serve", "--port", "many"), ("rollout", "up")],
)
def test_usage_errors_exit_3_and_not_as_undecided(argv):
    ran = lockgate(*argv)
    assert ran.returncode == 3
    assert ran.stdout == ""
    assert "Usage" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("option", ["--port", "--pages-port", "--grpc-port"])
def test_a_taken_port_is_named_with_the_option_that_moves_it(workshop, option):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = {"--port": "0", "--pages-port": "0"} | {option: str(taken.getsockname()[1])}
        ran = workshop.run("serve", *(word for pair in ports.items() for word in pair))
        refused(ran, f"Port {taken.getsockname()[1]}", f"choose another with {option}")
    assert not (workshop.home / "server.json").exists()


def test_a_second_workspace_in_the_same_folder_is_refused_and_changes_nothing(workshop, cli):
    before = files(workshop.root)
    refused(cli("init", "other"), str(workshop.root), "lockgate status")
    assert files(workshop.root) == before


def test_a_table_without_a_column_of_the_contract_is_refused_by_name(workshop, tmp_path, cli):
    workshop.table(days=2).drop("x1").write_parquet(tmp_path / "t.parquet")
    before = files(workshop.root), datasets(workshop)
    refused(cli("data", "tide", str(tmp_path / "t.parquet")), "'x1'", "Add it as float")
    assert (files(workshop.root), datasets(workshop)) == before


def test_a_table_with_a_column_of_another_type_is_refused_by_name(workshop, tmp_path, cli):
    import polars as pl

    workshop.table(days=2).with_columns(pl.col("x1").cast(pl.String)).write_parquet(tmp_path / "t.parquet")
    before = files(workshop.root), datasets(workshop)
    refused(cli("data", "tide", str(tmp_path / "t.parquet")), "'x1' is text", "says float", "Cast it")
    assert (files(workshop.root), datasets(workshop)) == before


def test_a_first_table_without_the_target_is_refused_before_anything_is_kept(tmp_path, tide_project, cli):
    root = tmp_path / "new"
    assert cli("init", "tide", "--target", "y", root=root).returncode == 0
    (root / "lockgate.toml").write_text(tide_project[0])
    (tmp_path / "t.csv").write_text("boat,x1\nb,1.5\n")
    before = files(root)
    refused(cli("data", "tide", tmp_path / "t.csv", root=root), "'y'", "[model.tide] in lockgate.toml")
    assert files(root) == before


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("t.parquet", b"PAR1 and nothing", "cannot be read"),
        ("t.doc", b"a", "no table that Lockgate reads"),
        ("t", None, "no file"),
    ],
)
def test_what_is_no_table_is_refused_naming_the_file(workshop, tmp_path, name, content, word, cli):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    ran = cli("data", "tide", str(tmp_path / name))
    assert ran.returncode == 3
    assert word in ran.stderr
    assert str(tmp_path / name) in ran.stderr


def test_an_unknown_key_is_named_with_the_one_that_was_meant(workshop, cli):
    toml = workshop.root / "lockgate.toml"
    toml.write_text(toml.read_text().replace('target = "y"', 'taget = "y"\ntarget = "y"'))
    refused(cli("status"), "lockgate.toml: model.tide", "'taget'", "Did you mean 'target'?")


def test_a_folder_without_a_workspace_says_how_to_make_one(tmp_path, cli):
    empty = tmp_path / "empty"
    empty.mkdir()
    refused(cli("status", root=empty), str(empty), "lockgate init")
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        (("train", "tyde"), "Did you mean 'tide'?"),
        (("gate", "trees-000000"), "There is no version 'trees-000000'"),
        (("rollout", "start", "nobody"), "There is no version 'nobody'"),
        (("rollback", "tide", "--to", "nobody"), "There is no version 'nobody'"),
        (("why", "v00000000"), "lockgate status"),
    ],
)
def test_unknown_names_are_refused_with_what_is_known(workshop, argv, word, cli):
    before = records(workshop)
    refused(cli(*argv), word)
    assert records(workshop) == before


def test_a_version_without_a_gate_may_not_take_traffic_and_says_what_to_ask(workshop, cli):
    ran = cli("rollout", "start", workshop.versions["rival"])
    assert ran.returncode == 3
    assert f"lockgate gate rival-{workshop.versions['rival'][:6]}" in ran.stderr


def test_json_parses_for_every_command_that_speaks_it(workshop, tmp_path, cli):
    workshop.table(first_day=0, days=40, seed=6).write_parquet(tmp_path / "t.parquet")
    data = json.loads(cli("data", "tide", str(tmp_path / "t.parquet"), "--json").stdout)
    assert (data["rows"], data["model"]) == (3000, "tide")
    made = json.loads(cli("train", "tide", "--name", "next", "--json").stdout)
    assert (made["name"], made["lineage"]["dataset"]) == ("next", data["ref"])
    verdicts = json.loads(cli("gate", made["id"], "--json").stdout)
    assert {v["subject"][0] for v in verdicts} == {made["id"]}
    why = json.loads(cli("why", verdicts[0]["id"], "--json").stdout)
    assert why == verdicts[0]
    (status,) = json.loads(cli("status", "--json").stdout)
    assert (status["model"], status["verdict_id"]) == ("tide", verdicts[-1]["id"])


def test_a_first_day_at_the_command_line_from_init_to_a_rollout_and_back(tmp_path, built, tide_project, cli):
    root, table = tmp_path / "p", tmp_path / "t.parquet"
    toml, code = tide_project
    built.table().write_parquet(table)
    assert json.loads(cli("init", "tide", "--json", root=root).stdout) == {"file": str(root / "lockgate.toml")}
    (root / "lockgate.toml").write_text(toml)
    (root / "lockgate_tidework.py").write_text(code)
    assert "3,000 rows kept" in cli("data", "tide", table, root=root).stdout
    assert "No model serves yet" in cli("status", root=root).stdout
    trained = cli("train", "tide", "--name", "first", root=root)
    first = re.search(r"next: lockgate gate (first-\w{6})", trained.stdout)[1]
    assert cli("gate", first, root=root).returncode == 0
    assert cli("rollout", "start", first, root=root).returncode == 0
    status = cli("status", root=root)
    assert status.returncode == 0
    assert first in status.stdout


def test_a_rollout_is_started_ended_and_explained(workshop, cli):
    short = f"rival-{workshop.versions['rival'][:6]}"
    assert cli("gate", short).returncode == 2
    refused = cli("rollout", "start", short)
    assert refused.returncode == 3
    assert "is not rolled out: The steps need" in refused.stderr
    assert "--anyway" in refused.stderr
    move = json.loads(cli("rollout", "start", short, "--anyway", "--json").stdout)
    assert short in cli("status").stdout
    busy = cli("rollout", "start", short, "--anyway")
    assert (busy.returncode, "under way" in busy.stderr) == (3, True)
    ended = cli("rollout", "abort", "tide", "--reason", "the tide turned")
    assert (ended.returncode, "the tide turned" in ended.stdout) == (0, True)
    log = json.loads(cli("rollout", "log", "tide", "--json").stdout)
    assert [m["kind"] for m in log] == ["install", "start", "abort"]
    why = cli("why", move["rollout"])
    assert (why.returncode, "aborted" in why.stdout, "the tide turned" in why.stdout) == (0, True, True)
    nothing = cli("rollout", "abort", "tide", "--reason", "again")
    assert nothing.returncode == 3
    assert nothing.stderr.startswith("lockgate: ")


def test_a_rollback_gives_the_traffic_to_the_version_named(workshop, cli):
    base = next(v for v in workshop.open().wiring.records.all(Version) if v.role == "baseline")
    ran = cli("rollback", "tide", "--to", base.id, "--reason", "fog")
    assert ran.returncode == 0, ran.stderr
    assert f"{base.short} holds the traffic of tide again (routing revision 2)." in ran.stdout
    (status,) = json.loads(cli("status", "--json").stdout)
    assert status["traffic"][0]["version"] == base.short
    back = json.loads(cli("rollback", "tide", "--json").stdout)
    assert (back["to"], back["revision"]) == (workshop.versions["trees"], 3)


def test_a_plan_says_what_each_step_takes_and_refuses_with_exit_code_1(workshop, cli):
    short = workshop.versions["rival"][:12]
    found = cli("plan", short)
    assert found.returncode == 1
    for words in (
        "shown safe by",
        "exposed calls",
        "REFUSED   The steps need",
        "alpha spent 0.12",
        f"start {short} --anyway",
    ):
        assert words in found.stdout
    record = json.loads(cli("plan", short, "--json").stdout)
    assert [step["name"] for step in record["steps"]] == ["shadow", "50%"]
    assert record["refusals"]


def test_a_gates_verdict_is_drawn_and_rests_on_no_log(workshop, cli, tmp_path):
    verdict = json.loads(cli("gate", workshop.versions["rival"], "--json").stdout)[0]["id"]
    drawn = cli("why", verdict, "--draw", str(tmp_path / "evidence.svg"))
    assert (drawn.returncode, (tmp_path / "evidence.svg").read_text()[:4]) == (0, "<svg")
    wrong = cli("why", verdict, "--draw", str(tmp_path / "evidence.pdf"))
    assert (wrong.returncode, ".pdf" in wrong.stderr) == (3, True)
    again = cli("why", verdict, "--replay")
    assert (again.returncode, "rests on a table, not on the log" in again.stderr) == (3, True)


def test_why_verify_holds_until_an_entry_is_changed(workshop, cli):
    import sqlite3

    held = cli("why", "--verify")
    assert (held.returncode, "the chain holds" in held.stdout) == (0, True)
    with sqlite3.connect(workshop.home / "lockgate.db") as db:
        (number,) = db.execute(
            "SELECT min(number) FROM ledger WHERE kind = 'verdict' AND body LIKE '%pass%'"
        ).fetchone()
        db.execute("UPDATE ledger SET body = replace(body, 'pass', 'fail') WHERE number = ?", (number,))
    db.close()
    broken = cli("why", "--verify")
    assert (broken.returncode, f"Entry {number} was changed." in broken.stdout) == (1, True)


def test_help_lists_every_command():
    names = {c.name or c.callback.__name__ for c in app.registered_commands} | {g.name for g in app.registered_groups}
    assert {"init", "data", "train", "gate", "rollout", "rollback", "serve", "watch", "status", "why"} <= names
    ran = lockgate("--help")
    assert ran.returncode == 0
    listed = set(re.findall(r"^  (\w+)  ", ran.stdout, flags=re.MULTILINE))
    assert names <= listed
    assert lockgate().stdout == ran.stdout


@pytest.fixture
def small_project(workshop, tmp_path):
    """The workspace on a real file system that is full but for a few pages."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a tmpfs")
    place = tmp_path / "disk"
    place.mkdir()
    size = sum(file.stat().st_size + 4096 for file in workshop.root.rglob("*") if file.is_file())
    argv = ["mount", "-t", "tmpfs", "-o", f"size={size // 1024 + 4096}k", "tmpfs", str(place)]
    mounted = subprocess.run(argv, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    shutil.copytree(workshop.root, place / "project")
    yield type(workshop)(place / "project", workshop.versions)
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_without_room_refuses_the_table_whole(small_project, tmp_path):
    small_project.table(days=4, per_day=3000).write_parquet(tmp_path / "t.parquet")
    small_project.run("status")
    with (small_project.root / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"0" * 4096)
    with (small_project.root / "ballast").open("r+b") as file:
        file.truncate((small_project.root / "ballast").stat().st_size - 160 * 1024)
    before = records(small_project), datasets(small_project)
    ran = small_project.run("data", "tide", str(tmp_path / "t.parquet"))
    assert ran.returncode == 3
    # deltalake's own threads may write of a panic before it raises: the last line is ours.
    assert ran.stderr.splitlines()[-1].startswith("lockgate: The table ")
    assert "Free some room there." in ran.stderr
    assert "Traceback" not in ran.stderr
    (small_project.root / "ballast").unlink()
    assert (records(small_project), datasets(small_project)) == before
    again = small_project.run("data", "tide", str(tmp_path / "t.parquet"))
    assert (again.returncode, "12,000 rows kept" in again.stdout) == (0, True), again.stderr


def datasets(shop) -> list[str]:
    return [str(d.ref) for d in shop.open().wiring.records.all(Dataset, "tide")]


def test_a_dry_run_of_an_ab_prints_its_arms_and_what_they_tell_by_when_and_writes_nothing(workshop, cli):
    short = f"rival-{workshop.versions['rival'][:6]}"
    cli("gate", short)
    before = workshop.open().wiring.records.entries()
    found = cli("rollout", "start", "--ab", short, "--metric", "outcome", "--share", "0.4", "--dry-run")
    assert found.returncode == 0, found.stderr
    for words in ("by outcome (up is good)", f"{short} 40.0%", "after 60 days", "alpha spent 0.1, of ", "--dry-run"):
        assert words in found.stdout
    assert workshop.open().wiring.records.entries() == before
    refused = cli("rollout", "start", short, "--metric", "outcome")
    assert (refused.returncode, "A ladder knows no --metric" in refused.stderr) == (3, True)


@pytest.mark.parametrize("columns", ["idd,value,at", "id,unit,metric,value,at"])
def test_outcomes_of_nobody_or_of_two_kinds_at_once_are_refused_with_the_columns(workshop, cli, tmp_path, columns):
    table = tmp_path / "told.csv"
    table.write_text(f"{columns}\n" + ",".join(["1"] * columns.count(",")) + ",2024-01-01T00:00:00Z\n")
    found = cli("outcomes", "tide", str(table))
    assert found.returncode == 3
    assert "Give id, value and at; or unit, metric, value and at." in found.stderr
    assert columns.split(",")[0] in found.stderr


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("a,,\nb,,2024-01-01T00:00:00Z", "No row of"),
        ("a,1,2024-01-01T00:00:00Z\nb,0,", "1 row of"),
        ("a,1,soon\nb,0,later", "Column 'at' of"),
    ],
)
def test_outcomes_that_are_filled_in_by_half_are_refused_with_what_is_missing(workshop, cli, tmp_path, rows, said):
    table = tmp_path / "told.csv"
    table.write_text(f"id,value,at\n{rows}\n")
    found = cli("outcomes", "tide", str(table))
    assert (found.returncode, said in found.stderr) == (3, True), found.stderr


@pytest.fixture
def begun(workshop, cli):
    """A rollout under way whose 50 % wants approval."""
    short = f"rival-{workshop.versions['rival'][:6]}"
    cli("gate", short)
    policy = (
        "--ladder",
        "shadow,0.5,1.0",
        "--require-approval",
        "0.5,1.0",
        "--deadline",
        "40d",
        "--guardrail",
        "failures",
    )
    ran = cli("rollout", "start", short, "--anyway", *policy)
    assert ran.returncode == 0, ran.stderr
    return workshop


def test_a_dry_run_prints_the_plan_and_what_is_left_and_writes_nothing(workshop, cli):
    short = f"rival-{workshop.versions['rival'][:6]}"
    ungated = cli("rollout", "start", short, "--dry-run")
    assert (ungated.returncode, "lockgate gate" in ungated.stderr) == (3, True)
    cli("gate", short)
    before = workshop.open().wiring.records.entries()
    policy = ("--ladder", "shadow,0.25,1.0", "--alpha", "0.02", "--deadline", "4000d", "--prove", "better")
    found = cli("rollout", "start", short, "--dry-run", *policy)
    assert found.returncode in (0, 1), found.stderr
    for words in ("shown safe by", "25%", "alpha spent 0.14, of ", "that is left", f"lockgate rollout start {short}"):
        assert words in found.stdout
    assert workshop.open().wiring.records.entries() == before
    assert workshop.open().wiring.records.all(Rollout) == []


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--guardrail", "failure"), "Did you mean 'failures'?"),
        (("--ladder", "shadwo,1.0"), "Did you mean 'shadow'?"),
        (("--prove", "beter"), "Did you mean 'better'?"),
        (("--deadline", "30"), "is not a duration"),
        (("--require-approval", "0.3"), "no step to approve '30%'"),
    ],
)
def test_a_policy_that_names_what_is_not_is_refused_with_the_nearest_name(workshop, cli, option, said):
    ran = cli("rollout", "start", workshop.versions["rival"], "--anyway", *option)
    assert (ran.returncode, said in ran.stderr) == (3, True), ran.stderr


def test_a_person_holds_resumes_approves_and_skips_and_the_ledger_knows_who_and_why(begun, cli):
    steps = (
        (("hold",), "r1-", "held at shadow"),
        (("resume",), "r1-", "resumed at shadow"),
        (("approve",), "r1-", "50% approved"),
    )
    for (act, *more), start, said in steps:
        ran = cli("rollout", act, "tide", "--reason", f"To {act}.", "--by", "ann", *more)
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.startswith(start)
        assert said in ran.stdout
    skipped = json.loads(cli("rollout", "skip", "tide", "--reason", "Enough.", "--by", "bob", "--json").stdout)
    assert (skipped["kind"], skipped["share"], skipped["by"], skipped["verdicts"]) == ("advance", 0.5, "bob", [])
    assert "Enough." in cli("why", skipped["overrides"][0]).stdout
    refused = cli("rollout", "promote", "tide", "--reason", "Now.")
    assert (refused.returncode, "entered only once it is approved" in refused.stderr) == (3, True)
    for act, word in (("approve", "To promote."), ("promote", "Now.")):
        assert cli("rollout", act, "tide", "--reason", word, "--by", "ann").returncode == 0
    (row,) = json.loads(cli("status", "--json").stdout)
    assert row["state"] == "serving, promoted without proof by ann"
    assert row["traffic"][0]["version"] == f"rival-{begun.versions['rival'][:6]}"
    story = cli("why", skipped["rollout"]).stdout
    for said in (
        "To hold.",
        "To resume.",
        "To approve.",
        "Enough.",
        "Promoted without proof that it is worth it: Now.",
    ):
        assert story.count(said) == 1
    held = cli("why", "--verify")
    assert (held.returncode, "the chain holds" in held.stdout) == (0, True)


def test_an_override_takes_a_reason(begun, cli):
    for argv in (("rollout", "hold", "tide"), ("rollout", "hold", "tide", "--reason", " ")):
        ran = cli(*argv)
        assert (ran.returncode, "reason" in ran.stderr) == (3, True)


def test_alpha_is_widened_from_the_budget_before_the_first_look(begun, cli):
    ran = cli("rollout", "widen", "tide", "--alpha", "0.03", "--reason", "Little traffic.")
    assert (ran.returncode, "alpha widened to 0.03" in ran.stdout) == (0, True), ran.stderr
    too_much = cli("rollout", "widen", "tide", "--alpha", "0.99", "--reason", "More.")
    assert (too_much.returncode, "alpha budget of tide" in too_much.stderr) == (3, True)


def test_a_ledger_is_written_out_and_verified_where_there_is_no_workspace(begun, cli, tmp_path):
    file = tmp_path / "ledger.jsonl"
    assert cli("why", "--export", str(file)).returncode == 0
    elsewhere = tmp_path / "empty"
    elsewhere.mkdir()
    held = lockgate("why", "--verify", str(file), "-C", str(elsewhere))
    assert (held.returncode, "the chain holds" in held.stdout) == (0, True), held.stderr
    lines = file.read_text().splitlines(keepends=True)
    assert len(lines) == len(begun.open().wiring.records.entries())
    file.write_text("".join([*lines[:4], *lines[5:]]))
    broken = lockgate("why", "--verify", str(file), "-C", str(elsewhere))
    assert (broken.returncode, broken.stdout.splitlines()[0]) == (1, "Entry 5 was removed.")


def test_a_version_whose_folder_was_changed_is_not_rolled_out(workshop, cli):
    version = workshop.versions["rival"]
    cli("gate", version)
    before = workshop.open().wiring.records.entries()
    with (workshop.home / "versions" / version / "profile.json").open("a") as file:
        file.write(" ")
    for more in ((), ("--dry-run",)):
        ran = cli("rollout", "start", version, "--anyway", *more)
        assert (ran.returncode, "profile.json" in ran.stderr, "has changed since" in ran.stderr) == (3, True, True)
    assert workshop.open().wiring.records.entries() == before


def test_a_challenger_that_is_the_champion_is_refused(workshop, cli):
    ran = cli("rollout", "start", workshop.versions["trees"], "--anyway")
    assert (ran.returncode, "is the champion already" in ran.stderr) == (3, True)
