"""Calls a second, waits, memory and readiness of servers that serve one scikit-learn pipeline, beside an empty server.

    python benchmarks/serving/run.py [NAME ...] [--quick] [--source TREE] [--folder FOLDER] [--out FILE]

NAME: `lockgate`, `lockgate-native`, `lockgate-guest` or a rival; all of them where left out. The empty server ("the floor")
is measured directly before and after each, so that a figure is a ratio and the machine's mood cancels. --source: the tree
whose `src` is measured, this one where left out. --folder: where environments and workspaces are kept between runs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

from contestants import ALL, CONSTANT, Contestant, Place
from environments import ROOT, bin_of, environment, things, version_of, workspace
from flights_pipeline import Made, made
from load import SHAPES, SIXTEEN, Shape, bodies, load
from running import Failed, Running, free_port, running

# What their own guides say: Ray's word for throughput, and nobody calls home from here.
SETTINGS = {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1", "RAY_USAGE_STATS_ENABLED": "0", "BENTOML_DO_NOT_TRACK": "True"}
AGREE = 1e-5
CHECKED, CHECKED_UNDER_LOAD = 40, 4


def measured(one: Contestant, arguments: argparse.Namespace) -> dict[str, Any]:
    """One contestant, with the floor beside it."""
    folder, source = arguments.folder, arguments.source
    given = made(things(folder))
    with _started(CONSTANT, arguments) as floor, _started(one, arguments) as server:
        floor.until_answered(lambda: floor.ask(CONSTANT.path, CONSTANT.body(given.rows[:1])))
        server.until_answered(lambda: server.ask(one.path, one.body(given.rows[:1])))
        check(one, server, given)
        idle = server.memory_mb()
        shapes = {}
        for shape in arguments.shapes:
            shapes[shape.name] = _shape(shape, one, server, floor, given, arguments)
            say(one, shape, shapes[shape.name])
        check(one, server, given)
        return {
            "name": one.name,
            "version": version_of(one, folder, source),
            "ready_s": round(server.ready_s, 3),
            "idle_pss_mb": idle,
            "pss_mb": server.memory_mb(),
            "shapes": shapes,
        }


def _started(one: Contestant, arguments: argparse.Namespace) -> Any:
    folder: Path = arguments.folder / "runs" / one.name
    shutil.rmtree(folder, ignore_errors=True)
    if one.workspace:
        # a copy: what the last run logged is no part of this one
        shutil.copytree(workspace(one, arguments.folder, arguments.source, fresh=arguments.fresh), folder)
    else:
        folder.mkdir(parents=True)
    place = Place(bin_of(one, arguments.folder), free_port(), folder)
    env = environment(arguments.source / "src") if one.workspace else environment(**SETTINGS)
    env["PATH"] = os.pathsep.join((str(place.bin), env["PATH"]))  # an environment that is activated
    env["PIPELINE"] = str(made(things(arguments.folder)).pipeline)
    if one.before:
        subprocess.run(one.before(place), check=True, env=env, cwd=folder)
    return running(one.argv(place), place.port, folder, env)


def check(one: Contestant, server: Running, given: Made, rows: int = CHECKED) -> None:
    """Every answer must be scikit-learn's own, one row at a time and many at once."""
    asked, expected = given.rows[:rows], given.chances[:rows]
    alone = [one.chances(server.ask(one.path, one.body([row]))) for row in asked]
    together = one.chances(server.ask(one.path, one.body(asked)))
    for what, found in (("alone", [value for values in alone for value in values]), ("together", together)):
        if len(found) != rows or max(abs(a - b) for a, b in zip(found, expected, strict=True)) > AGREE:
            raise Failed(f"asked {what} it does not answer as scikit-learn does: {found[:3]}, {expected[:3]}")


def _shape(
    shape: Shape, one: Contestant, server: Running, floor: Running, given: Made, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Floor, contestant, floor, contestant, ..., floor; the medians of its rounds."""
    with tempfile.TemporaryDirectory() as name:
        files = {who.name: Path(name) / who.name for who in (one, CONSTANT)}
        for who in (one, CONSTANT):
            files[who.name].write_text("\n".join(bodies(shape, given.rows, who.body)))

        def once(who: Contestant, which: Running, seconds: float) -> dict[str, float]:
            before = which.cpu_s()
            found = load(shape, which.url, who.path, files[who.name], seconds)
            spent = which.cpu_s() - before
            return found | {
                "calls_s": found["calls"] / found["seconds"],
                "cpu_us": 1e6 * spent / max(1.0, found["calls"]),
            }

        with ThreadPoolExecutor(1) as beside:  # warm from here on, and right under load too: no fallback answers for it
            loaded = beside.submit(once, one, server, arguments.seconds / 2)
            check(one, server, given, CHECKED_UNDER_LOAD)
            loaded.result()

        def at_the_floor() -> dict[str, float]:
            with server.paused():
                return once(CONSTANT, floor, arguments.seconds)

        floors, rounds = [at_the_floor()], []
        for _ in range(arguments.rounds):
            rounds.append(once(one, server, arguments.seconds))
            floors.append(at_the_floor())
    ratios = [
        found["calls_s"] / ((before["calls_s"] + after["calls_s"]) / 2)
        for found, before, after in zip(rounds, floors, floors[1:], strict=False)
    ]
    return {"of_floor": median(ratios), "ratios": ratios, "floor": _median(floors), "it": _median(rounds)}


def _median(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Of each figure, but the sum of what went wrong."""
    bad = ("refused", "cut", "late")
    return {key: (sum if key in bad else median)([one[key] for one in rounds]) for key in rounds[0]}


def say(one: Contestant, shape: Shape, found: dict[str, Any]) -> None:
    it, floor = found["it"], found["floor"]
    wrong = " ".join(f"{key} {it[key]:.0f}" for key in ("refused", "cut", "late") if it[key])
    print(
        f"{one.name:16} {shape.connections:3} connections x {shape.rows:2} rows: {it['calls_s']:9,.0f} calls/s, "
        f"{found['of_floor']:.4g} of the floor's {floor['calls_s']:,.0f}; p50 {it['p50_ms']:.2f} ms, "
        f"p99 {it['p99_ms']:.2f} ms (floor {floor['p99_ms']:.2f}); CPU {it['cpu_us']:,.0f} us a call "
        f"(floor {floor['cpu_us']:.0f}) {wrong}",
        flush=True,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(ALL), metavar="NAME", help=", ".join(ALL))
    parser.add_argument("--quick", action="store_true", help="one round of two seconds")
    parser.add_argument("--sixteen", action="store_true", help="only 16 connections of one row")
    parser.add_argument("--seconds", type=float, help="of one round")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--source", type=Path, default=ROOT)
    parser.add_argument("--fresh", action="store_true", help="build our workspaces anew")
    default = os.environ.get("SERVING_BENCHMARK_FOLDER", str(Path(tempfile.gettempdir()) / "lockgate-serving"))
    parser.add_argument("--folder", type=Path, default=Path(default))
    parser.add_argument("--out", type=Path, help="results as JSON; those of other contestants in it are kept")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(ALL):
        parser.error(f"{', '.join(sorted(unknown))}: known are {', '.join(ALL)}")
    arguments.seconds = arguments.seconds or (2.0 if arguments.quick else 4.0)
    arguments.rounds = arguments.rounds or (1 if arguments.quick else 3)
    arguments.shapes = (SIXTEEN,) if arguments.sixteen else SHAPES
    arguments.source, arguments.folder = arguments.source.resolve(), arguments.folder.resolve()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    return arguments


def main() -> int:
    arguments, failed = _arguments(), 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("asked to stop"))  # so that the servers are stopped as well
    for name in arguments.names:
        try:
            found = measured(ALL[name], arguments)
        except (Failed, OSError, subprocess.CalledProcessError) as error:
            print(f"{name:16} failed: {error}", file=sys.stderr, flush=True)
            failed += 1
            continue
        memory = sum(found["pss_mb"].values())
        print(f"{name:16} ready in {found['ready_s']:.2f} s; {memory:.0f} MB in {len(found['pss_mb'])} processes")
        if arguments.out:
            day = time.strftime("%Y-%m-%d", time.gmtime())
            _keep(arguments.out, found | {"rounds": arguments.rounds, "seconds": arguments.seconds, "day": day})
    return failed


def _keep(out: Path, found: dict[str, Any]) -> None:
    kept = json.loads(out.read_text()) if out.is_file() else {}
    kept[found["name"]] = found
    out.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
