"""XGBoost's own file (UBJSON or JSON), and its boosters in memory."""

from __future__ import annotations

import json
import math
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from lockgate.errors import SpecError
from lockgate.features.pipeline import Floats
from lockgate.records import Library
from lockgate.records.spec import Task
from lockgate.runtime.formats.kind import Kind, head, library, reading, root
from lockgate.runtime.loaded import Gives, Loaded, chances, task_of, values

FILE = "native/model.ubj"
INSTALL = "xgboost-cpu"
MARGIN = "binary:logitraw"


def load(path: Path, *, trust: bool = False) -> Loaded:  # noqa: ARG001 - there is nothing in it to trust
    """Raises SpecError for a broken file, and for the binary files of versions before 1.0."""
    xgboost = library("xgboost", INSTALL)
    body = path.read_bytes() if path.is_file() else b""
    if body.startswith((b"binf", b"bs64")):
        raise SpecError(
            f"{path.name} is an XGBoost file of the old binary kind, which its newer versions cannot read.",
            cure="Load it with the version that wrote it (3.0 or older), and save it again under a name ending in .ubj.",
            place=str(path),
        )
    with reading(path, "an XGBoost model"):
        return of(xgboost.Booster({"nthread": 1}, model_file=bytearray(body)), _version(body))


def of(booster: Any, version: str | None = None) -> Loaded:
    """A Booster, one thread. A file that XGBoost's scikit-learn estimators wrote stops at the best round, as they do."""
    learner = json.loads(booster.save_config())["learner"]
    objective = str(learner["objective"]["name"])
    several = int(learner["learner_model_param"].get("num_class", 0))
    task, gives, classes = _objective(objective, several)
    if objective == "multi:softmax":  # the same trees and the same scores, told as chances instead of the largest alone
        booster.set_param({"objective": "multi:softprob"})
    categories = categories_of(booster)
    rounds = _rounds(booster)

    def answer(inputs: Any) -> Floats:
        found = booster.inplace_predict(inputs, iteration_range=rounds, validate_features=False)
        if gives == "values":
            return values(found)
        return chances(1 / (1 + np.exp(-found.astype(np.float64))) if objective == MARGIN else found)

    return Loaded(
        format="xgboost",
        model=booster,
        answer=answer,
        takes="frame" if categories else "matrix",
        needs=tuple(booster.feature_names or ()),
        width=booster.num_features(),
        categories=categories,
        task=task,
        classes=classes,
        gives=gives,
        library=Library(name="xgboost", version=version),
    )


def categories_of(booster: Any) -> dict[str, tuple[Any, ...]]:
    """The levels of the columns that were pandas categories in training. Raises SpecError where the file lacks them."""
    types: list[str] = booster.feature_types or []
    if "c" not in types:
        return {}
    names: list[str] = booster.feature_names or []
    model = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]
    stored = model.get("model", model.get("gbtree", {}).get("model", {})).get("cats", {}).get("enc", [])
    found = {
        name: _levels(encoded)
        for name, kind, encoded in zip(names, types, stored, strict=False)
        if kind == "c" and encoded.get("values")
    }
    if len(found) != types.count("c"):
        raise SpecError(
            "The XGBoost model has categorical columns, and its file does not say which levels they had.",
            cure="Train and save it with XGBoost 3.1 or newer, on a pandas frame.",
        )
    return found


def _levels(encoded: dict[str, Any]) -> tuple[Any, ...]:
    """Text levels lie end to end as bytes, with the offsets between them; numbers lie as they are."""
    stored: list[int] = encoded["values"]
    if "offsets" not in encoded:
        return tuple(stored)
    offsets: list[int] = encoded["offsets"]
    body = bytes(byte % 256 for byte in stored)
    return tuple(body[start:end].decode() for start, end in pairwise(offsets))


def _objective(word: str, several: int) -> tuple[Task | None, Gives, tuple[str, ...]]:
    if word in {"binary:logistic", MARGIN}:
        return "binary", "chances", ("0", "1")
    if word == "binary:hinge":
        return "binary", "labels", ("0", "1")
    if word.startswith("multi:"):
        return task_of(several), "chances", tuple(str(place) for place in range(several))
    if word.startswith(("rank:", "survival:")):
        raise SpecError(f"The XGBoost model ranks rows or times ({word}); it foretells no outcome.")
    return (None if word == "reg:logistic" else "regression"), "values", ()


def _rounds(booster: Any) -> tuple[int, int]:
    """All of them as (0, 0). `train` predicts with all rounds, the estimators with those up to the best."""
    kept: dict[str, str | None] = booster.attributes()
    if "scikit_learn" not in kept or "best_iteration" not in kept:
        return (0, 0)
    return (0, int(kept["best_iteration"] or 0) + 1)


def _version(body: bytes) -> str | None:
    """Of the version that wrote the file: its last entry, three small integers."""
    tail = body[body.rfind(b"version") :]
    found = re.match(rb'version"\s*:\s*\[(\d+),\s*(\d+),\s*(\d+)\]', tail)
    if found:
        return ".".join(number.decode() for number in found.groups())
    packed = re.match(rb"version\[(?:\$(.))?#[LlIiU]\x00*\x03(.*)", tail, re.DOTALL)
    if packed is None:
        return None
    numbers = (
        re.findall(rb"i(.)", packed[2], re.DOTALL) if packed[1] is None else [packed[2][n : n + 1] for n in range(3)]
    )
    return ".".join(str(number[0]) for number in numbers[:3]) if len(numbers) >= 3 else None


def owns(model: Any) -> bool:
    """Boosters and estimators that the file holds whole: not those that take another number for missing."""
    if root(model) != "xgboost":
        return False
    if hasattr(model, "get_booster"):
        return math.isnan(float(getattr(model, "missing", math.nan)))
    return hasattr(model, "save_raw")


def save(model: Any, path: Path) -> None:
    model.save_model(str(path))


def sniff(path: Path) -> bool:
    start = head(path)
    is_ubj = start.startswith(b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner")
    return (
        is_ubj or start.startswith((b"binf", b"bs64")) or re.match(rb'\s*\{\s*"(learner|version)"', start) is not None
    )


KIND = Kind(format="xgboost", file=FILE, what="an XGBoost model", sniff=sniff, load=load, owns=owns, save=save)
