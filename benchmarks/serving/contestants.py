"""Who is measured: how each is started in its own environment, how it is asked, and how its answer is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from flights_pipeline import UNIT
from workspaces import MODEL

SERVICES = Path(__file__).parent / "services"
WORKERS = 2
Row = dict[str, Any]


class Place(NamedTuple):
    """Where one is started. bin: its environment's programs; folder: its own, made for it; things: the shared model's."""

    bin: Path
    port: int
    folder: Path
    things: Path


class Contestant(NamedTuple):
    """argv: how it is started; path, body: how rows are asked, and `chances` how the answer is read; needs: what pip
    installs into its environment, () for that of Lockgate itself; workspace: its kind, for ours.
    """

    name: str
    argv: Callable[[Place], list[str]]
    path: str
    body: Callable[[list[Row]], Any]
    chances: Callable[[Any], list[float]]
    needs: tuple[str, ...] = ()
    workspace: str | None = None


def asked(rows: list[Row]) -> Any:
    """`{"rows": [...]}` with the model's columns alone: nobody else has use for a unit."""
    return {"rows": [{name: value for name, value in row.items() if name != UNIT} for row in rows]}


def told(answer: Any) -> list[float]:
    return list(map(float, answer["predictions"]))


def _uvicorn(app: str, place: Place, *more: str) -> list[str]:
    options = ["--workers", str(WORKERS), "--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    where = ["--app-dir", str(SERVICES), "--host", "127.0.0.1", "--port", str(place.port)]
    return [str(place.bin / "python"), "-m", "uvicorn", app, *where, *options, *more]


def _lockgate(place: Place) -> list[str]:
    serve = [str(place.bin / "python"), "-m", "lockgate", "serve", "-C", str(place.folder)]
    return [*serve, "--port", str(place.port), "--pages-port", "0", "--workers", str(WORKERS)]


def _ours(name: str, workspace: str) -> Contestant:
    return Contestant(
        name,
        _lockgate,
        f"/predict/{MODEL}",
        lambda rows: {"rows": rows},
        lambda answer: [one["value"] for one in answer["predictions"] if one["served_by"] == one["version"]],
        workspace=workspace,
    )


CONSTANT = Contestant(
    "constant", lambda place: _uvicorn("constant:app", place), "/predict", lambda rows: {"rows": rows}, told
)
OURS = (_ours("lockgate", "compiled"), _ours("lockgate-native", "native"), _ours("lockgate-guest", "guest"))
RIVALS: tuple[Contestant, ...] = ()
ALL = {one.name: one for one in (*OURS, *RIVALS)}
