"""A step of the user's own that changed under a version: the version is not loaded, and the step is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from lockgate.errors import StoreError
from lockgate.features import Pipeline, custom
from lockgate.features.opaque import source_digest
from lockgate.records import decode, digest
from lockgate.runtime.folder import PIPELINE, load, put, read_pipeline, seal
from lockgate.runtime.formats.constant import save_constant

CODE = "def doubled(columns):\n    return {'x': columns['x'] * 2}\n"


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "project").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "project")
    made = tmp_path / "project" / "changing_steps.py"
    made.write_text(CODE)
    return made


def sealed(folder: Path, pipeline: Pipeline, lineage: Any) -> str:
    save_constant(folder, 0.5)
    put(folder, PIPELINE, pipeline)
    kinds: dict[str, Any] = {"role": "candidate", "format": "constant", "task": "binary"}
    return digest(seal(folder, model="m", name="v", lineage=lineage, inputs=(), **kinds))


def test_a_changed_step_is_refused_by_name_and_a_restored_one_loads(steps: Path, tmp_path: Path, project: Any) -> None:
    step = custom("changing_steps:doubled", needs=("x",), gives=("x",))
    pinned = Pipeline.of(msgspec.structs.replace(step, code=source_digest(step.function)))
    version = sealed(tmp_path / "v", pinned, project.lineage)
    assert load(tmp_path / "v", version).pipeline == pinned == read_pipeline(tmp_path / "v")
    steps.write_text(CODE.replace("2", "3"))
    with pytest.raises(
        StoreError, match=r"another changing_steps:doubled.*another hash.*Restore that file, or train again"
    ):
        load(tmp_path / "v", version)
    changed = Pipeline.of(msgspec.structs.replace(step, code=source_digest(step.function)))
    assert changed.definition != pinned.definition
    steps.write_bytes(CODE.replace("\n", "\r\n").encode())
    assert load(tmp_path / "v", version).version == version, "line ends are no change"
    steps.unlink()
    with pytest.raises(StoreError, match=r"cannot be loaded.*'changing_steps:doubled' lies in no file"):
        load(tmp_path / "v", version)


def test_a_version_made_before_steps_were_pinned_still_loads(steps: Path, tmp_path: Path, project: Any) -> None:
    old = (
        b'{"steps":[{"type":"custom","function":"changing_steps:doubled","gives":["x"],"needs":["x"],"parameters":{}}]}'
    )
    version = sealed(tmp_path / "v", decode(Pipeline, old), project.lineage)
    assert load(tmp_path / "v", version).pipeline.names == ("x",)
