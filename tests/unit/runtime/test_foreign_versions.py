"""A foreign version: its own file answers from a child process, and is never loaded in the one that serves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lockgate.errors import StoreError
from lockgate.features.pipeline import Pipeline, raw
from lockgate.records import Column, DatasetRef, Lineage, digest
from lockgate.runtime.folder import PIPELINE, load, put, seal

INPUTS = (Column(name="a", type="float"), Column(name="b", type="float"))
LINEAGE = Lineage(
    dataset=DatasetRef(table="t", version=0, digest="0" * 64),
    train="",
    features="",
    features_hash="0" * 64,
    commit=None,
    is_dirty=None,
    environment="0" * 64,
    seed=0,
    run=None,
    trained_from_s=None,
    trained_until_s=None,
    rows=0,
)
MODEL = """
import os
print("loaded in", os.getpid())
class Pid:
    def predict(self, x):
        return x[:, 0] * 0 + os.getpid()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model that answers with the number of the process it lives in."""
    (tmp_path / "pid_model.py").write_text(MODEL)
    monkeypatch.syspath_prepend(tmp_path)
    place = tmp_path / "version"
    (place / "native").mkdir(parents=True)
    make = "import joblib, pid_model; joblib.dump(pid_model.Pid(), 'version/native/model.joblib')"
    subprocess.run([sys.executable, "-c", make], cwd=tmp_path, check=True)
    put(place, PIPELINE, Pipeline.of(raw("a", "b")))
    return place


def sealed(place: Path, *, is_foreign: bool, is_trusted: bool = False) -> str:
    manifest = seal(
        place,
        model="m",
        name="n",
        role="candidate",
        format="joblib",
        task="regression",
        lineage=LINEAGE,
        inputs=INPUTS,
        is_foreign=is_foreign,
        is_trusted=is_trusted,
    )
    return digest(manifest)


def test_it_answers_from_another_process_and_its_code_is_not_imported_here(folder: Path) -> None:
    import os

    predictor = load(folder, sealed(folder, is_foreign=True, is_trusted=True))
    assert predictor.engine_name == "guest"
    answer = predictor.predict({"a": np.array([1.0]), "b": np.array([2.0])})
    assert answer.values[0] not in {0.0, float(os.getpid())}
    assert "pid_model" not in sys.modules


def test_a_class_of_nobodys_library_is_not_loaded_in_the_child_either_unless_it_was_trusted(folder: Path) -> None:
    with pytest.raises(StoreError, match=r"names pid_model\.Pid, outside the known model libraries") as caught:
        load(folder, sealed(folder, is_foreign=True))
    assert "--trust" in caught.value.cure
    assert "pid_model" not in sys.modules


def test_the_same_file_made_here_is_loaded_here(folder: Path) -> None:
    import os

    predictor = load(folder, sealed(folder, is_foreign=False))
    assert predictor.engine_name == "joblib"
    answer = predictor.predict({"a": np.array([1.0]), "b": np.array([2.0])})
    assert answer.values.tolist() == [float(os.getpid())]
    del sys.modules["pid_model"]


def test_a_foreign_file_that_cannot_be_loaded_is_said_so(folder: Path) -> None:
    (folder / "native/model.joblib").write_bytes(b"\x80\x04cut")
    with pytest.raises(StoreError, match=r"cannot be loaded as joblib: .*model\.joblib"):
        load(folder, sealed(folder, is_foreign=True))
