"""Who is measured: how each is started in its own environment, how it is asked, and how its answer is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from flights_pipeline import NUMBERS, TEXT, UNIT
from workspaces import MODEL

SERVICES = Path(__file__).parent / "services"
WORKERS = 2
Row = dict[str, Any]


class Place(NamedTuple):
    """Where one is started. bin: its environment's programs; folder: its own, made for it."""

    bin: Path
    port: int
    folder: Path


class Contestant(NamedTuple):
    """argv: how it is started; path, body: how rows are asked, and `chances` how the answer is read; needs: what pip
    installs into its environment, () for that of Lockgate itself; workspace: its kind, for ours; before: what is
    run first, not timed.
    """

    name: str
    argv: Callable[[Place], list[str]]
    path: str
    body: Callable[[list[Row]], Any]
    chances: Callable[[Any], list[float]]
    needs: tuple[str, ...] = ()
    workspace: str | None = None
    before: Callable[[Place], list[str]] | None = None


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

# The pipeline's own library, in the version that fitted it; the rest as each likes it.
SKLEARN = ("scikit-learn>=1.9,<1.10", "pandas>=3.1", "joblib>=1.5")


def _python(file: str) -> Callable[[Place], list[str]]:
    return lambda place: [str(place.bin / "python"), str(SERVICES / file), str(place.port)]


def _bentoml(place: Place) -> list[str]:
    serve = [str(place.bin / "bentoml"), "serve", "bentoml_service:Late", "--working-dir", str(SERVICES)]
    return [*serve, "--host", "127.0.0.1", "--port", str(place.port)]


def _tensors(rows: list[Row]) -> Any:
    """The Open Inference Protocol: a tensor for each column. JSON has no word for a missing number but null."""
    inputs = [
        {
            "name": name,
            "shape": [len(rows), 1],
            "datatype": "BYTES" if name in TEXT else "FP64",
            "parameters": {"content_type": "str" if name in TEXT else "np"},
            "data": [row[name] for row in rows],
        }
        for name in (*NUMBERS, *TEXT)
    ]
    outputs = [{"name": "predict_proba"}]
    return {"parameters": {"content_type": "pd"}, "inputs": inputs, "outputs": outputs}


def _mlflow(place: Place) -> list[str]:
    serve = [str(place.bin / "mlflow"), "models", "serve", "-m", str(place.folder / "model"), "--env-manager", "local"]
    return [*serve, "--host", "127.0.0.1", "--port", str(place.port), "--workers", str(WORKERS)]


def _mlflow_model(place: Place) -> list[str]:
    return [str(place.bin / "python"), str(SERVICES / "mlflow_scoring.py"), str(place.folder / "model")]


RIVALS = (
    Contestant(
        "fastapi",
        lambda place: _uvicorn("fastapi_sklearn:app", place),
        "/predict",
        asked,
        told,
        needs=("fastapi>=0.120", "uvicorn[standard]>=0.50", *SKLEARN),
    ),
    Contestant("litserve", _python("litserve_api.py"), "/predict", asked, told, needs=("litserve>=0.2.17", *SKLEARN)),
    Contestant("bentoml", _bentoml, "/predict", asked, list, needs=("bentoml>=1.4.30", *SKLEARN)),
    Contestant("ray-serve", _python("ray_serve.py"), "/predict", asked, told, needs=("ray[serve]>=2.56", *SKLEARN)),
    Contestant(
        "mlserver",
        _python("mlserver_model.py"),
        "/v2/models/late/infer",
        _tensors,
        lambda answer: answer["outputs"][0]["data"][1::2],
        # MLServer 1.7 asks uvloop for a loop that nobody has made; uvloop from .22 on refuses that
        needs=("mlserver>=1.7", "mlserver-sklearn>=1.7", "uvloop<0.22", *SKLEARN),
    ),
    Contestant(
        "mlflow",
        _mlflow,
        "/invocations",
        lambda rows: {"dataframe_records": asked(rows)["rows"]},
        lambda answer: [chances[1] for chances in answer["predictions"]],
        needs=("mlflow>=3.17,<3.18", *SKLEARN),
        before=_mlflow_model,
    ),
)
ALL = {one.name: one for one in (*OURS, *RIVALS)}
