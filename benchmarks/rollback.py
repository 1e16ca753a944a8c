"""How long harm lasts: from a bad call to the verdict on it, and from a verdict to the last worker.

    python benchmarks/rollback.py [--workers 1,2,4] [--times 20] [--canaries 5]

A workspace of its own, made the public way; `lockgate serve` with its loop and pages; `wrk`, where there is one, as fast as
it goes on 16 connections beside the calls that measure.

`by hand`: `Workspace.rollback` called, until the last worker answered by it; the record, the ledger and the board are in it.
`canary`: a version whose feature step fails takes half of the calls. `seen`: from asking the call that decided to the verdict
written; `gone`: from the verdict written to the last answer that any worker began with the canary.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from lockgate.records import Routing, Verdict
from lockgate.server.drill_load import Address, Line, Load, close, lines
from lockgate.workspace.creating import create
from lockgate.workspace.workspace import Workspace

MODEL = "late"
TOML = """
[model.late]
task = "binary"
target = "y"
metric = "log_loss"
train = "bench_rollback:fit"
features = "bench_rollback:features"
fallback = ["champion", "baseline", 0.4]
deadline_ms = 200

[model.late.rollout]
ladder = [0.5, 1.0]
guardrails = ["failures"]

[model.late.budget]
alpha = 0.9
"""
CODE = """
from pathlib import Path

from lockgate.features import Pipeline, custom, numeric


def features():
    return Pipeline.of(numeric("a", "b"))


def broken_features():
    return Pipeline.of(numeric("a", "b"), custom("bench_rollback:fails", needs=("a",), gives=("a",)))


def fails(columns):
    if Path(__file__).with_name("broken").exists():
        raise RuntimeError("as it was told to")
    return {"a": columns["a"]}


def fit(table, features):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000).fit(features.matrix(table), features.target(table))


def fit_other(table, features):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000, C=0.1).fit(features.matrix(table), features.target(table))
"""
ROW = b'{"a":0.4,"b":-0.2}'


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--workers", default="1,2,4")
    asked.add_argument("--times", type=int, default=20)
    asked.add_argument("--canaries", type=int, default=5)
    told = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        workspace, versions = made(project)
        print("| | workers | times | median | p99 | worst | calls beside it | not answered with 200 |")
        print("|---|---|---|---|---|---|---|---|")
        for workers in map(int, told.workers.split(",")):
            by_hand(project, workspace, versions, workers, told.times)
        canaries(project, workspace, versions, told.canaries)
        workspace.close()


def made(project: Path) -> tuple[Workspace, dict[str, str]]:
    create(project, TOML)
    (project / "bench_rollback.py").write_text(CODE)
    workspace = Workspace.open(project)
    rng = np.random.default_rng(7)
    a, b = rng.normal(size=4000), rng.normal(size=4000)
    y = (rng.random(4000) < 1 / (1 + np.exp(-a - b))).astype(np.int64)
    workspace.data(MODEL, pl.DataFrame({"a": a, "b": b, "y": y}))
    ask = {
        "first": {},
        "second": {"train_with": "bench_rollback:fit_other"},
        "broken": {"features": "bench_rollback:broken_features"},
    }
    versions = {name: workspace.train(MODEL, name=name, **more).id for name, more in ask.items()}
    workspace.gate(versions["first"])
    workspace.rollout(versions["first"], by="the benchmark", dirty=True)
    workspace.rollback(MODEL, to=versions["second"], reason="so that there is a way back")
    workspace.gate(versions["broken"])
    return workspace, versions


@contextmanager
def serving(project: Path, workers: int) -> Iterator[tuple[Path, dict[str, Any]]]:
    words = ["serve", "-C", str(project), "--port", "0", "--pages-port", "0", "--workers", str(workers)]
    with (project / "said").open("wb") as said:
        process = subprocess.Popen([sys.executable, "-W", "ignore", "-m", "lockgate", *words], stdout=said, stderr=said)
    home = project / ".lockgate"
    try:
        state: dict[str, Any] = {}
        while len(state.get("workers", ())) < workers:
            assert process.poll() is None, (project / "said").read_text()
            with suppress(OSError, ValueError):
                state = json.loads((home / "server.json").read_bytes())
            time.sleep(0.1)
        yield home, state
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def loaded(port: int) -> Iterator[list[str]]:
    """A load beside it by wrk; what it said is there at the end."""
    said: list[str] = []
    if shutil.which("wrk") is None:
        yield said
        return
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f"wrk.method='POST' wrk.body='{{\"rows\":[{ROW.decode()}]}}'\n")
        script.write("wrk.headers['Content-Type']='application/json'\n")
        script.flush()
        words = ["wrk", "-t1", "-c16", "-d600s", "-s", script.name, f"http://127.0.0.1:{port}/predict/{MODEL}"]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            yield said
        finally:
            process.send_signal(2)
            said.append(process.communicate()[0])


def by_hand(project: Path, workspace: Workspace, versions: dict[str, str], workers: int, times: int) -> None:
    with serving(project, workers) as (_, state):
        found = lines(Address("127.0.0.1", state["port"], {}), lambda: state["workers"])
        try:
            with (
                loaded(state["port"]) as said,
                Load(f"/predict/{MODEL}", found, [ROW], [*versions.values()], "bench") as load,
            ):
                time.sleep(1.0)
                took = [_once(workspace, load) for _ in range(times)]
        finally:
            close(found)
    row(f"by hand{', under wrk' if said else ''}", workers, took, load.calls + _requests(said), _bad(load, said))


def _once(workspace: Workspace, load: Load) -> float:
    routing = workspace.wiring.board.read(MODEL)
    assert routing is not None
    assert routing.previous is not None
    time.sleep(float(np.random.default_rng().uniform(0.0, 0.3)))
    took = load.move(routing.previous, lambda: workspace.rollback(MODEL, reason="measured"), 10.0)
    assert took is not None, load.first
    return took


def canaries(project: Path, workspace: Workspace, versions: dict[str, str], times: int) -> None:
    seen: list[float] = []
    gone: list[float] = []
    workspace.gate(versions["broken"])  # against whoever is champion now
    with serving(project, 2) as (_, state):
        found = lines(Address("127.0.0.1", state["port"], {}), lambda: state["workers"])
        try:
            for _ in range(times):
                one = _canary(project, workspace, versions["broken"], found)
                seen.append(one[0])
                gone.append(one[1])
        finally:
            close(found)
    row("canary: seen", 2, seen, 0, 0)
    row("canary: gone", 2, gone, 0, 0)


def _canary(project: Path, workspace: Workspace, broken: str, found: dict[int, list[Line]]) -> tuple[float, float]:
    flag, stop = project / "broken", threading.Event()
    began: list[float] = []
    threads = [
        threading.Thread(target=_watch, args=(line, broken, stop, began), daemon=True)
        for own in found.values()
        for line in own
    ]
    for thread in threads:
        thread.start()
    workspace.rollout(broken, by="the benchmark", anyway=True, dirty=True)
    while not began:
        time.sleep(0.1)
    time.sleep(3.0)
    known = {verdict.id for verdict in workspace.wiring.records.all(Verdict, MODEL)}
    flag.touch()
    try:
        verdict = _verdict(workspace, known)
        while (routing := workspace.wiring.records.get(Routing, MODEL)) is None or routing.challenger is not None:
            time.sleep(0.02)
        time.sleep(1.5)
    finally:
        flag.unlink()
        stop.set()
    for thread in threads:
        thread.join()
    assert verdict.evidence.until_s is not None
    return verdict.written_s - verdict.evidence.until_s, max(began) - verdict.written_s


def _watch(line: Line, broken: str, stop: threading.Event, began: list[float]) -> None:
    """When a call that the canary was chosen for was begun last."""
    while not stop.is_set():
        asked = time.time()
        _, body = line.predict(f"/predict/{MODEL}", b'{"rows":[' + ROW + b"]}")
        if msgspec.json.decode(body)["predictions"][0]["version"] == broken:
            began.append(asked)
        time.sleep(0.005)


def _verdict(workspace: Workspace, known: set[str]) -> Verdict:
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        new = [v for v in workspace.wiring.records.all(Verdict, MODEL) if v.id not in known and v.ruling == "fail"]
        if new:
            return new[0]
        time.sleep(0.02)
    said = [v.sentence for v in workspace.wiring.records.all(Verdict, MODEL) if v.id not in known]
    raise AssertionError(f"No verdict stopped the canary: {said}")


def _requests(said: Sequence[str]) -> int:
    return sum(int(line.split()[0]) for text in said for line in text.splitlines() if "requests in" in line)


def _bad(load: Load, said: Sequence[str]) -> int:
    """Of our own calls, and of wrk's: what is no 200, and what its sockets heard of errors."""
    wrong = sum(int(line.split(":")[1]) for text in said for line in text.splitlines() if "Non-2xx" in line)
    for line in (line for text in said for line in text.splitlines() if "Socket errors" in line):
        wrong += sum(int(part.split()[-1]) for part in line.partition(":")[2].split(","))
    return load.refused + load.cut + wrong


def row(what: str, workers: int, took_s: Sequence[float], calls: int, bad: int) -> None:
    ms = 1000 * np.array(took_s)
    figures = f"{np.median(ms):.0f} ms | {np.quantile(ms, 0.99, method='higher'):.0f} ms | {ms.max():.0f} ms"
    print(
        f"| {what} | {workers} | {len(ms)} | {figures} | {f'{calls:,}' if calls else '-'} | {bad if calls else '-'} |",
        flush=True,
    )


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
