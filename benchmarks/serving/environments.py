"""An environment for each: a venv under the benchmark's folder, made once; a workspace for each of ours, likewise."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from contestants import Contestant

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ONE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)  # on few cores more only wait for each other


def environment(*path: Path, **more: str) -> dict[str, str]:
    """What a process is started with: one thread each, and those folders for its modules."""
    places = os.pathsep.join(str(place) for place in path)
    # pip compiled the others when it installed them; our own tree must be allowed to keep what it compiles
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return ours | dict.fromkeys(ONE_THREAD, "1") | {"PYTHONPATH": places, "PYTHONWARNINGS": "ignore"} | more


def bin_of(one: Contestant, folder: Path) -> Path:
    """The programs of its environment, made where it is not there yet."""
    if not one.needs:
        return Path(sys.executable).parent
    place = folder / "venvs" / one.name
    ready = place / ".ready"
    if not ready.is_file() or ready.read_text() != "\n".join(one.needs):
        print(f"installing {one.name}: once, some minutes ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
        pip = [str(place / "bin/pip"), "install", "--disable-pip-version-check", "--no-input", "-qq"]
        subprocess.run([*pip, *one.needs], check=True)
        ready.write_text("\n".join(one.needs))
    return place / "bin"


def version_of(one: Contestant, folder: Path, source: Path) -> str:
    """The package's version; of ours, the commit."""
    if one.workspace:
        argv = ["git", "-C", str(source), "describe", "--always", "--dirty"]
    else:
        package = re.split(r"[\[<>=]", one.needs[0])[0]
        code = f"from importlib.metadata import version; print(version({package!r}))"
        argv = [str(bin_of(one, folder) / "python"), "-c", code]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()


def things(folder: Path) -> Path:
    """The shared pipeline and its rows, made where they are not there yet."""
    place = folder / "made"
    if not (place / "rows.json").is_file():
        argv = [sys.executable, str(HERE / "flights_pipeline.py"), str(place)]
        subprocess.run(argv, check=True, env=environment(ROOT / "src"))
    return place


def workspace(one: Contestant, folder: Path, source: Path, *, fresh: bool) -> Path:
    """A workspace of its kind, built by the source tree that is measured, or by another before where not `fresh`."""
    place, kind = folder / "workspaces" / str(one.workspace), str(one.workspace)
    if fresh:
        shutil.rmtree(place, ignore_errors=True)
    if not (place / "lockgate.toml").is_file():
        before = () if kind == "compiled" else (HERE / "without",)
        argv = [sys.executable, str(HERE / "workspaces.py"), kind, str(place), str(things(folder))]
        done = subprocess.run(argv, env=environment(source / "src", *before), check=False)
        if done.returncode:
            shutil.rmtree(place, ignore_errors=True)
            raise SystemExit(f"The workspace of {one.name} could not be built.")
    return place
