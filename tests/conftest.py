"""A small project that serves: real versions, sealed as training seals them, and real worker processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import settings

from lockgate.features import Pipeline, custom, levels, numeric
from lockgate.features.columns import Columns
from lockgate.features.pipeline import observed
from lockgate.records import Column, Contract, DatasetRef, Lineage, Manifest, Parity, Routing, digest
from lockgate.records.prediction import LogEntry
from lockgate.runtime.compile.checked import compile_checked
from lockgate.runtime.folder import CONTRACT, PARITY, PIPELINE, put, seal
from lockgate.runtime.formats import engine as engine_of
from lockgate.runtime.formats import save_model
from lockgate.runtime.formats.constant import save_constant
from lockgate.runtime.predictor import Predictor
from lockgate.store.folders import Folders
from lockgate.store.log_table import LogTables
from lockgate.store.log_union import UnionLog
from lockgate.store.routing_file import RoutingFiles
from lockgate.store.segments import SegmentLog

# How long an example takes says how busy the machine is, and nothing of us.
settings.register_profile("untimed", settings.get_profile(settings.get_current_profile_name()), deadline=None)
settings.load_profile("untimed")

MODEL = "late"
COLUMNS = (
    Column(name="wait", type="float", low=0.0, high=10.0),
    Column(name="seats", type="int", low=1, high=500, range_origin="declared"),
    Column(name="carrier", type="text", levels=("AA", "UA")),
    Column(name="plane", type="text", is_nullable=True),
    Column(name="late", type="int", is_known_before=False),
)
SERVED_CONTRACT = Contract(model=MODEL, columns=COLUMNS, target="late")
ROW: dict[str, Any] = {"wait": 3.5, "seats": 120, "carrier": "AA", "plane": "N1"}
STEPS = """
import os, signal, sys, time
import numpy as np

def by_wait(columns):
    # what a row asks for by its wait: 6 raises, 7 hangs, 9 gives a row too many; 20 grows, 30 dies, 40 holds the GIL
    wait = columns["wait"]
    what = int(wait.max())
    if what == 6:
        raise RuntimeError("no answer to six")
    if what == 7:
        time.sleep(30)
    if what == 9:
        return {"wait": np.zeros(len(wait) + 1)}
    if what == 20:
        held = []
        while True:
            held.append(np.ones(1 << 20))
    if what == 30:
        os.kill(os.getpid(), signal.SIGKILL)
    if what == 40:
        import ctypes
        ctypes.PyDLL(None).sleep(30)
    return {"wait": wait}

def boom(columns):
    if (columns["wait"] > 5).any():
        raise RuntimeError("no answer beyond five")
    return {"wait": columns["wait"]}

def hang(columns):
    time.sleep(30)
    return {"wait": columns["wait"]}

def slow(columns):
    time.sleep(1.0)
    return {"wait": columns["wait"]}

def leave(columns):
    sys.exit(3)

def nan(columns):
    return {"wait": np.full(len(columns["wait"]), np.nan)}
"""


def lineage() -> Lineage:
    return Lineage(
        dataset=DatasetRef(table=MODEL, version=0, digest="0" * 64),
        train="t:fit",
        features="t:features",
        features_hash="0" * 64,
        commit=None,
        is_dirty=None,
        environment="0" * 64,
        seed=0,
        run=None,
        trained_from_s=None,
        trained_until_s=None,
        rows=400,
    )


def sample(rows: int, seed: int = 0) -> Columns:
    rng = np.random.default_rng(seed)
    return {
        "wait": rng.uniform(0, 10, rows),
        "seats": rng.integers(1, 500, rows).astype(float),
        "carrier": rng.choice(np.array(["AA", "UA"], dtype=object), rows),
        "plane": np.full(rows, None, dtype=object),
    }


@pytest.fixture
def predictor() -> Callable[..., Predictor]:
    """A predictor in memory: `predictor("v1", lambda matrix: ...)` over the column `wait`."""

    def made(version: str, engine: Callable[[Any], Any], *, task: str = "binary") -> Predictor:
        manifest = Manifest(
            model=MODEL,
            name=version,
            role="candidate",
            format="constant",
            task=task,  # type: ignore[arg-type]
            lineage=lineage(),
            inputs=(),
            files={},
        )
        return Predictor(version, manifest, Pipeline.of(numeric("wait")), engine, "constant")

    return made


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A scikit-learn model, compiled to ONNX and sealed: its folder and its id."""
    from sklearn.linear_model import LogisticRegression

    folder = tmp_path_factory.mktemp("fitted") / "version"
    columns = sample(400)
    target = (columns["wait"] + np.random.default_rng(1).normal(0, 2, 400) > 5).astype(float)
    pipeline = Pipeline.of(numeric("wait", "seats"), levels("carrier")).fit(columns, target)
    matrix = pipeline.transform(columns)
    estimator = LogisticRegression(max_iter=1000).fit(matrix, target)
    kind, loaded = save_model(folder, estimator)
    inputs = observed(pipeline.names, matrix)
    native = engine_of(loaded, inputs)
    assert compile_checked(loaded, native, inputs, matrix, folder, task="binary").is_passed
    put(folder, CONTRACT, SERVED_CONTRACT)
    put(folder, PIPELINE, pipeline)
    sealed = seal(
        folder,
        model=MODEL,
        name="fitted",
        role="candidate",
        format=kind,
        task="binary",
        lineage=lineage(),
        inputs=inputs,
    )
    return folder, digest(sealed)


@dataclass
class Server:
    """A supervisor and its workers, as their own processes."""

    process: subprocess.Popen[bytes]
    home: Path
    url: str
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=10))

    def state(self) -> dict[str, Any]:
        return json.loads((self.home / "server.json").read_text())

    def predict(self, *rows: dict[str, Any], **more: Any) -> httpx.Response:
        return self.client.post(f"{self.url}/predict/{MODEL}", json={"rows": list(rows), **more})

    def post(self, path: str, body: bytes) -> httpx.Response:
        return self.client.post(f"{self.url}{path}", content=body)

    def get(self, path: str) -> httpx.Response:
        return self.client.get(f"{self.url}{path}")

    def sockets(self, worker: int) -> set[str]:
        """The sockets that a worker has open, as the kernel names them; one that closes while we look is not among them."""
        found: set[str] = set()
        for link in Path(f"/proc/{worker}/fd").iterdir():
            with suppress(FileNotFoundError):
                found.add(str(link.readlink()))
        return {name for name in found if name.startswith("socket:")}


@dataclass
class Project:
    """A project folder with a `.lockgate` in it."""

    root: Path
    fitted: tuple[Path, str]
    contract: Contract = SERVED_CONTRACT

    @property
    def lineage(self) -> Lineage:
        return lineage()

    @property
    def home(self) -> Path:
        return self.root / ".lockgate"

    def add_fitted(self) -> str:
        folder, version = self.fitted
        shutil.copytree(folder, self.root / "copy")
        Folders(self.home / "versions").add(version, self.root / "copy")
        return version

    def add_constant(
        self,
        name: str,
        value: float,
        step: str | None = None,
        *,
        contract: Contract = SERVED_CONTRACT,
        needs: Sequence[str] = ("wait",),
    ) -> str:
        """A version that answers one number, behind one of STEPS where asked. needs: the columns it is nothing without."""
        folder = self.root / "new"
        save_constant(folder, value)
        steps = (numeric("wait"), custom(f"steps:{step}", needs=("wait",), gives=("wait",))) if step else ()
        put(folder, CONTRACT, contract)
        put(folder, PIPELINE, Pipeline.of(*(steps or (numeric(*needs),))))
        put(folder, PARITY, Parity(is_passed=False, rows=0, over_tolerance=1, worst=0, flips=0, tolerance=0, reason=""))
        sealed = seal(
            folder,
            model=MODEL,
            name=name,
            role="baseline",
            format="constant",
            task="binary",
            lineage=lineage(),
            inputs=(),
        )
        version = digest(sealed)
        Folders(self.home / "versions").add(version, folder)
        return version

    def publish(self, champion: str, *, revision: int = 1, **more: Any) -> Routing:
        more = {"baseline": None, "constant": 0.23, "deadline_ms": 1000.0} | more
        routing = Routing(model=MODEL, revision=revision, champion=champion, **more)
        RoutingFiles(self.home / "routing").publish(routing)
        return routing

    def log(self) -> list[LogEntry]:
        return SegmentLog(self.home / "log").read()[0]

    @contextmanager
    def serving(self, workers: int = 1, *, options: Sequence[str] = (), **environment: str) -> Iterator[Server]:
        """Its processes' stderr goes to `stderr` in the project's folder."""
        argv = [sys.executable, "-m", "lockgate.server.supervisor", "--home", str(self.home), "--workers", str(workers)]
        told = os.environ | {"PYTHONWARNINGS": "ignore"} | environment
        with (self.root / "stderr").open("ab") as said:
            process = subprocess.Popen([*argv, *options], env=told, stderr=said, start_new_session=True)
        server = Server(process, self.home, "")
        try:
            until((self.home / "server.json").exists, "the supervisor's state")
            server.url = f"http://127.0.0.1:{server.state()['port']}"
            # the socket listens before a worker accepts: the first question waits for it
            until(lambda: server.get("/readyz").status_code == 200, "readiness")
            yield server
        finally:
            server.client.close()
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def until(holds: Callable[[], bool], what: str, within_s: float = 10.0) -> None:
    """Wait for it, or fail naming it."""
    give_up = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > give_up:
            pytest.fail(f"waited {within_s:g} s for {what}")
        time.sleep(0.02)


@pytest.fixture(name="until")
def _until() -> Callable[..., None]:
    return until


def made_project(root: Path, fitted: tuple[Path, str]) -> Project:
    (root / "steps.py").write_text(STEPS)
    return Project(root, fitted)


@pytest.fixture(scope="session")
def new_project(tmp_path_factory: pytest.TempPathFactory, fitted: tuple[Path, str]) -> Callable[[str], Project]:
    """`new_project("name")`, for fixtures that many tests share."""
    return lambda name: made_project(tmp_path_factory.mktemp(name), fitted)


@pytest.fixture
def project(tmp_path: Path, fitted: tuple[Path, str]) -> Project:
    return made_project(tmp_path, fitted)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, fitted: tuple[Path, str]) -> Iterator[tuple[Project, Server]]:
    """The fitted model behind one worker that speaks gRPC too, for tests that change nothing."""
    project = made_project(tmp_path_factory.mktemp("served"), fitted)
    project.publish(project.add_fitted(), baseline=project.add_constant("base", 0.4))
    with project.serving(options=("--grpc-port", "0")) as server:
        yield project, server


# A whole workspace, made the public way: a table, a contract, trained versions, gates and a champion.

TIDE = "tide"
TIDE_TOML = """
[model.tide]
task = "binary"
target = "y"
unit = "boat"
time = "asked_at"
metric = "log_loss"
train = "lockgate_tidework:fit"
features = "lockgate_tidework:features"
fallback = ["champion", "baseline", 0.4]
deadline_ms = 1000

[model.tide.contract]
known = "known_at"
keys = ["boat"]
nullable = ["x2"]

[model.tide.outcomes]
horizon = "12h"

[model.tide.gate]
holdout = "10d"

[model.tide.rollout]
ladder = ["shadow", 0.5, 1.0]
prove = "better"
deadline = "30d"
"""
TIDE_CODE = '''
"""The user's own module of the test workspace."""
import numpy as np

from lockgate.features import Pipeline, levels, numeric


def features():
    return Pipeline.of(numeric("x1", "x2"), levels("colour"))


def _trees(table, features, **settings):
    from lightgbm import LGBMClassifier

    model = LGBMClassifier(random_state=7, n_jobs=1, verbose=-1, deterministic=True, force_row_wise=True, **settings)
    return model.fit(features.matrix(table), features.target(table))


def fit(table, features):
    return _trees(table, features, n_estimators=60, num_leaves=8, learning_rate=0.1)


def fit_rival(table, features):
    return _trees(table, features, n_estimators=61, num_leaves=9, learning_rate=0.1)


def fit_noise(table, features):
    from lightgbm import LGBMClassifier

    told = np.random.default_rng(3).permutation(features.target(table))
    return LGBMClassifier(n_estimators=200, random_state=7, n_jobs=1, verbose=-1).fit(features.matrix(table), told)


def fit_logistic(table, features):
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    made = make_pipeline(SimpleImputer(), LogisticRegression(max_iter=1000))
    return made.fit(features.matrix(table), features.target(table))
'''
TIDE_DAY = 1_700_006_400.0  # a midnight, UTC
TIDE_ROW: dict[str, Any] = {"boat": "b1", "asked_at": "2023-12-30T10:00:00Z", "x1": 0.4, "x2": 1.5, "colour": "red"}


@dataclass
class Workshop:
    """A workspace's folder, and what was made there: versions by name."""

    root: Path
    versions: dict[str, str]

    @property
    def home(self) -> Path:
        return self.root / ".lockgate"

    def row(self, **changed: Any) -> dict[str, Any]:
        return TIDE_ROW | changed

    def table(self, first_day: int = 0, days: int = 40, *, per_day: int = 75, seed: int = 5) -> Any:
        return tide_table(first_day, days, per_day=per_day, seed=seed)

    def open(self) -> Any:
        from lockgate.workspace.workspace import Workspace

        return Workspace.open(self.root)

    def log(self) -> list[LogEntry]:
        return UnionLog(SegmentLog(self.home / "log"), LogTables(self.home / "tables")).read()[0]

    def run(self, *argv: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """`lockgate ... -C FOLDER`, as a person types it."""
        command = [sys.executable, "-m", "lockgate", *argv, "-C", str(self.root)]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)

    @contextmanager
    def serving(self, workers: int = 1, **environment: str) -> Iterator[Served]:
        """`lockgate serve` on free ports; asked to stop at the end, unless a test did so."""
        told = os.environ | environment
        command = [sys.executable, "-m", "lockgate", "serve", "-C", str(self.root), "--port", "0", "--pages-port", "0"]
        with (self.root / "server.out").open("wb") as said:
            process = subprocess.Popen(
                [*command, "--workers", str(workers)], stdout=said, stderr=said, env=told, start_new_session=True
            )
        server = Served(process, self.root, httpx.Client(timeout=15))
        try:
            until(lambda: process.poll() is not None or server.is_ready(), "readiness", within_s=40)
            assert process.poll() is None, (self.root / "server.out").read_text()
            yield server
        finally:
            server.client.close()
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(25)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


@dataclass
class Served:
    """A running `lockgate serve`."""

    process: subprocess.Popen[bytes]
    root: Path
    client: httpx.Client

    @property
    def state(self) -> dict[str, Any]:
        return json.loads((self.root / ".lockgate" / "server.json").read_text())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.state['port']}"

    @property
    def pages(self) -> str:
        return f"http://127.0.0.1:{self.state['pages_port']}"

    def is_ready(self) -> bool:
        try:
            return self.client.get(f"{self.url}/readyz").status_code == 200
        except (OSError, ValueError, httpx.TransportError):
            return False

    def predict(self, *rows: dict[str, Any], **more: Any) -> httpx.Response:
        return self.client.post(f"{self.url}/predict/{TIDE}", json={"rows": list(rows), **more})

    def post(self, path: str, body: bytes) -> httpx.Response:
        return self.client.post(f"{self.url}{path}", content=body)


def tide_table(first_day: int = 0, days: int = 40, *, per_day: int = 75, seed: int = 5) -> Any:
    """Calls over whole days. The outcome bends in x1, which a line cannot follow, and leans on x2 and the colour."""
    import polars as pl

    rng = np.random.default_rng((seed, first_day))
    n = days * per_day
    asked = (
        TIDE_DAY
        + 86400 * (first_day + np.arange(n) // per_day)
        + np.sort(rng.integers(0, 86400, (days, per_day)), axis=1).reshape(-1)
    )
    x1, x2 = rng.normal(size=n), rng.normal(1, 1, size=n)
    colour = rng.choice(["red", "green", "blue"], n)
    chance = 1 / (1 + np.exp(-(1.8 * (x1**2 - 1) + 0.6 * x2 + (colour == "red"))))
    x2 = np.where(rng.random(n) < 0.1, np.nan, x2)
    stamp = pl.Datetime("us", "UTC")
    return pl.DataFrame(
        {
            "boat": [f"b{first_day + i // per_day}-{i % per_day}" for i in range(n)],
            "asked_at": (asked * 1e6).astype(np.int64),
            "known_at": ((asked + 7200) * 1e6).astype(np.int64),
            "x1": x1,
            "x2": x2,
            "colour": colour,
            "y": (rng.random(n) < chance).astype(np.int64),
        }
    ).with_columns(pl.col("asked_at", "known_at").cast(stamp), pl.col("x2").fill_nan(None))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """One real workspace: three candidates trained and gated, the best of them champion. Nobody may change it."""
    from lockgate.workspace.creating import create
    from lockgate.workspace.workspace import Workspace

    root = tmp_path_factory.mktemp("workshop") / "project"
    create(root, TIDE_TOML)
    (root / "lockgate_tidework.py").write_text(TIDE_CODE)
    workspace = Workspace.open(root)
    workspace.data(TIDE, tide_table())
    made: dict[str, str] = {}
    for name, function in (("trees", "fit"), ("rival", "fit_rival"), ("noise", "fit_noise")):
        made[name] = workspace.train(TIDE, train_with=f"lockgate_tidework:{function}", name=name).id
    workspace.gate(made["trees"])
    workspace.rollout(made["trees"], by="the tests")
    workspace.close()
    return Workshop(root, made)


@pytest.fixture
def workshop(built: Workshop, tmp_path: Path) -> Workshop:
    """A copy that a test may break."""
    root = tmp_path / "project"
    shutil.copytree(built.root, root)
    return Workshop(root, dict(built.versions))


@pytest.fixture(scope="session")
def tide_project() -> tuple[str, str]:
    """The texts of lockgate.toml and of the user's module, for a workspace from nothing."""
    return TIDE_TOML, TIDE_CODE


@pytest.fixture(scope="module")
def serving(built: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workshop, Served]]:
    """A copy behind `lockgate serve`, for tests that change nothing but the log."""
    root = tmp_path_factory.mktemp("serving") / "project"
    shutil.copytree(built.root, root)
    shop = Workshop(root, dict(built.versions))
    with shop.serving() as server:
        yield shop, server
