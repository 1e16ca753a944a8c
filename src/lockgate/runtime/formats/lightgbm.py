"""LightGBM's own text file, and its boosters in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lockgate.errors import SpecError
from lockgate.features.pipeline import Floats
from lockgate.records import Library
from lockgate.records.spec import Task
from lockgate.runtime.formats.kind import Kind, head, library, reading
from lockgate.runtime.loaded import Gives, Loaded, chances, task_of

FILE = "native/model.txt"
CUSTOM = (
    "It was trained with an objective of its maker's own: the file does not say how scores become chances, so its scores "
    "are taken as values."
)


def load(path: Path, *, trust: bool = False) -> Loaded:  # noqa: ARG001 - there is nothing in it to trust
    lightgbm = library("lightgbm", "lightgbm")
    with reading(path, "a LightGBM model"):
        _check_whole(path)
        return of(lightgbm.Booster(model_file=str(path)))


def of(booster: Any) -> Loaded:
    """A Booster, one thread: on a busy machine, all cores at once cost ten times as much."""
    header = _header(booster)
    task, gives, note, classes = _objective(header)
    names = tuple(str(name) for name in booster.feature_name())
    given = () if all(name == f"Column_{place}" for place, name in enumerate(names)) else names
    categories = categories_of(booster)

    def answer(inputs: Any) -> Floats:
        return chances(booster.predict(inputs, num_threads=1))

    return Loaded(
        format="lightgbm",
        model=booster,
        answer=answer,
        takes="frame" if categories else "matrix",
        needs=given,
        width=len(names),
        categories=categories,
        task=task,
        classes=classes,
        gives=gives,
        library=Library(name="lightgbm", version=None),
        note=note,
    )


def categories_of(booster: Any) -> dict[str, tuple[Any, ...]]:
    """The levels of the columns that were pandas categories in training.

    LightGBM keeps the levels in the order of the columns, and does not say which columns: those whose values the file
    lists. Raises SpecError where that leaves it open.
    """
    levels: list[list[Any]] = booster.pandas_categorical or []
    if not levels:
        return {}
    names: list[str] = booster.feature_name()
    infos = _header(booster).get("feature_infos", "").split()
    listed = [name for name, info in zip(names, infos, strict=False) if info != "none" and not info.startswith("[")]
    constant = [name for name, info in zip(names, infos, strict=False) if info == "none"]
    for found in (listed, [name for name in names if name in listed or name in constant]):
        if len(found) == len(levels):
            return {name: tuple(known) for name, known in zip(found, levels, strict=True)}
    raise SpecError(
        "The LightGBM model was trained on pandas categories, and its file leaves open which columns they were.",
        cure="A column of it never varied in training: leave that column out and train again.",
    )


def booster_of(estimator: Any) -> Any | None:
    """The LightGBM Booster of an estimator, None where it is not LightGBM's. Does not import LightGBM."""
    if not type(estimator).__module__.startswith("lightgbm."):
        return None
    return getattr(estimator, "booster_", estimator)


def save(model: Any, path: Path) -> None:
    booster: Any = booster_of(model)
    booster.save_model(str(path))


def _header(booster: Any) -> dict[str, str]:
    lines = booster.model_to_string(num_iteration=1).partition("\n\n")[0].splitlines()
    return {key: value for key, _, value in (line.partition("=") for line in lines)}


def _objective(header: dict[str, str]) -> tuple[Task | None, Gives, str, tuple[str, ...]]:
    word = header.get("objective", "").partition(" ")[0]
    several = int(header.get("num_class", "1"))
    if word == "binary":
        return "binary", "chances", "", ("0", "1")
    if word in {"multiclass", "multiclassova"}:
        return task_of(several), "chances", "", tuple(str(place) for place in range(several))
    if word in {"lambdarank", "rank_xendcg"}:
        raise SpecError(f"The LightGBM model ranks rows ({word}); it foretells no outcome.")
    if word in {"", "custom", "none"}:
        if several > 1:
            raise SpecError(
                "The LightGBM model has several classes and an objective of its maker's own: its scores are no chances.",
                cure="Train it with objective='multiclass', or give scores that are chances in a class of your own.",
            )
        return None, "values", CUSTOM, ()
    return (None if word.startswith("cross_entropy") else "regression"), "values", "", ()


def _check_whole(path: Path) -> None:
    """LightGBM may read beyond the end of a file that was cut short: the sizes that it wrote itself are held against it."""
    text = path.read_bytes()
    if b"\nend of trees" not in text or not text.startswith(b"tree\n"):
        raise SpecError(f"{path.name} is no whole LightGBM model.", cure="Copy or save it again.", place=str(path))
    last = text.rfind(b"pandas_categorical:")
    if last >= 0:
        json.loads(text[last + len(b"pandas_categorical:") :])


def sniff(path: Path) -> bool:
    return head(path).startswith((b"tree\n", b"tree\r\n"))


KIND = Kind(
    format="lightgbm",
    file=FILE,
    what="a LightGBM model",
    sniff=sniff,
    load=load,
    owns=lambda model: booster_of(model) is not None and hasattr(booster_of(model), "save_model"),
    save=save,
)
