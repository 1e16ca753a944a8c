"""A version as an MLflow model folder: one that any MLflow loads, describes and serves, where Lockgate is installed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lockgate.features.pipeline import Pipeline
from lockgate.records import Column, Contract, Manifest, decode
from lockgate.records.contract import ColumnType
from lockgate.store.mlflow_place import quiet

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

LOADER = "lockgate.runtime.pyfunc"
_TYPES: dict[ColumnType, str] = {"int": "long", "float": "double", "bool": "boolean", "text": "string"}
_LIBRARIES = {
    "rule": (),
    "constant": (),
    "lightgbm": ("lightgbm",),
    "xgboost": ("xgboost", "xgboost-cpu"),
    "catboost": ("catboost",),
    "joblib": ("scikit-learn", "joblib"),
    "skops": ("scikit-learn", "skops"),
    "onnx": ("onnxruntime",),
    "torchscript": ("torch",),
    "pyfunc": ("mlflow",),
}


def write(version_id: str, folder: Path, into: Path) -> None:
    """The version's folder, whole, inside an MLflow model folder at `into`, which may not exist yet.

    Nothing is inferred: the signature follows from the contract, the requirements from the manifest.
    """
    save: Any = import_module("mlflow.pyfunc").save_model
    quiet()
    manifest = decode(Manifest, (folder / "manifest.json").read_bytes())
    staged = into.with_name(version_id)  # the loader is told the id by the folder's name
    staged.symlink_to(folder.resolve(), target_is_directory=True)
    try:
        with warnings.catch_warnings():
            # the signature follows from the contract, so no example is needed to guess it from
            warnings.filterwarnings("ignore", message=".*input example was not provided")
            save(
                path=str(into),
                loader_module=LOADER,
                data_path=str(staged),
                signature=signature(
                    decode(Contract, (folder / "contract.json").read_bytes()),
                    decode(Pipeline, (folder / "pipeline.json").read_bytes()),
                    manifest,
                ),
                pip_requirements=list(requirements(manifest)),
                metadata={
                    "lockgate.version": version_id,
                    "lockgate.model": manifest.model,
                    "lockgate.name": manifest.name,
                },
            )
    finally:
        staged.unlink()


def signature(contract: Contract, pipeline: Pipeline, manifest: Manifest) -> ModelSignature:
    """What the version reads, and what it answers; MLflow drops the other columns of a frame.

    MLflow has no type for a whole number that may be missing, and refuses times that name their zone: such columns are
    `any` there, and held to the contract by the loader.
    """
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, DataType, Schema, TensorSpec

    any_type: Any = AnyType

    def spec(column: Column) -> ColSpec:
        is_open = column.type == "time" or (column.type == "int" and column.is_nullable)
        return ColSpec(any_type() if is_open else DataType[_TYPES[column.type]], name=column.name)

    read: list[ColSpec | TensorSpec] = [spec(column) for column in contract.columns if column.name in pipeline.needs]
    answers: list[ColSpec | TensorSpec] = (
        [ColSpec(DataType.double, name=name) for name in manifest.classes]
        if manifest.task == "multiclass"
        else [ColSpec(DataType.double)]
    )
    return ModelSignature(inputs=Schema(read), outputs=Schema(answers))


def requirements(manifest: Manifest) -> Iterator[str]:
    """The distributions that answering takes, at the versions installed here."""
    named = ["lockgate", "numpy", "pandas", *_LIBRARIES[manifest.format]]
    if "model.onnx" in manifest.files:
        named.append("onnxruntime")
    if manifest.library is not None:
        named.append(manifest.library.name)
    for name in dict.fromkeys(named):
        try:
            yield f"{name}=={version(name)}"
        except PackageNotFoundError:  # one of the two names of a package, or a library that is only in the lineage
            continue
