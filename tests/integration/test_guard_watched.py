"""What guarded callables log is read by the loop, compacted, and shown: nobody has to know that no server served it."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import polars as pl
import pytest

import lockgate as lg
from lockgate.records import Health
from lockgate.report.now import rows
from lockgate.workspace import config
from lockgate.workspace.guard_log import log_of
from lockgate.workspace.loop import COMPACT_EVERY_S, Loop
from lockgate.workspace.wire import Wiring, wire

TOML = """
[model.late]
task = "binary"
target = "late"
unit = "plane"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "lockgate.toml").write_text(TOML)
    return tmp_path


def wired(project: Path) -> Wiring:
    return wire(project, config.read(config.find(project)), time.time)


def use(project: Path) -> int:
    """Sixty calls of one guarded model with its outcomes, and of two that lockgate.toml does not name."""

    @lg.guard(
        "late",
        fallback=[0.23],
        task="binary",
        unit="plane",
        inputs=["plane"],
        version="v1",
        challenger=lambda row: 0.6,  # noqa: ARG005
        challenger_version="v2",
        share=0.5,
        shadow=True,
        workspace=project,
    )
    def predict(row: dict) -> float:
        return 0.7 if row["n"] % 10 else 1 / 0

    @lg.guard("chat", fallback=["Sorry."], task="any", workspace=project)
    def chat(text: str) -> object:
        return text.upper() if text else object()

    @lg.guard("rent", fallback=[1.0], task="regression", workspace=project)
    def rent(size: float) -> float:
        return size * 10

    for n in range(60):
        reply = predict.answer({"plane": f"N{n}", "n": n})
        predict.outcome(reply.id, n % 2)
        chat("hello" if n % 3 else "")
        rent(float(n))
    until = time.monotonic() + 10
    while (
        not any(entry.__class__.__name__ == "Shadow" for entry in wired(project).log.read()[0])
        and time.monotonic() < until
    ):
        time.sleep(0.05)
    time.sleep(0.2)
    assert predict.log is not None
    predict.log.close()
    return 60


def test_a_loop_reads_compacts_and_shows_what_guards_log(project: Path) -> None:
    calls = use(project)
    wiring = wired(project)
    loop = Loop(wiring)
    done = loop.tick()
    assert done.read >= 4 * calls
    assert [said.split(",")[0] for said in done.problems] == [
        "The log holds calls of 'chat'",
        "The log holds calls of 'rent'",
    ]
    health = wiring.records.get(Health, "late")
    assert health is not None
    assert (sum(health.calls.values()), set(health.calls)) == (calls, {"v1", "v2"})
    assert 0 < health.fallback_rate < 0.2
    (row,) = rows(wiring.records)
    assert (row.model, row.calls) == ("late", calls)

    later = Loop(dataclasses.replace(wiring, clock=lambda: time.time() + COMPACT_EVERY_S + 1))
    later._compact_at_s = 0.0
    later.tick()
    table = pl.read_delta(str(wiring.home / "tables" / "log.predictions"))
    assert dict(table["model"].value_counts().iter_rows()) == {"late": calls, "chat": calls, "rent": calls}
    of_late = table.filter(pl.col("model") == "late")
    assert of_late["share"].unique().to_list() == [0.5]
    assert of_late["rollout"].n_unique() == 1
    assert Loop(wiring).tick().read >= 4 * calls
    assert log_of(project / ".lockgate").dropped == 0


def test_watch_says_it_on_the_command_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from lockgate.cli.main import app

    use(project)
    wired(project)
    app(["watch", "--once", "--directory", str(project)], standalone_mode=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "Up to date." in said
    assert "calls of 'chat', which lockgate.toml does not name" in said
    app(["status", "--directory", str(project)], standalone_mode=False)
    assert "guarded" in " ".join(capsys.readouterr().out.split())
