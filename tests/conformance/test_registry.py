"""The kit of the registry: versions by number with their tags, and aliases that name one of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lockgate.errors import Conflict
from lockgate.records import DatasetRef, Lineage, Version
from lockgate.store.memory_registry import MemoryRegistry
from lockgate.store.mlflow_place import MlflowPlace
from lockgate.store.mlflow_registry import MlflowRegistry
from lockgate.store.ports import Registered, Registry

ADAPTERS: dict[str, Callable[[Path], Registry]] = {
    "memory": lambda _: MemoryRegistry(),
    "mlflow": lambda home: MlflowRegistry(MlflowPlace(f"sqlite:///{home / 'mlflow.db'}", artifacts=home / "artifacts")),
    "mlflow, registry apart": lambda home: MlflowRegistry(
        MlflowPlace(
            f"sqlite:///{home / 'runs.db'}",
            registry_uri=f"sqlite:///{home / 'models.db'}",
            artifacts=home / "artifacts",
        )
    ),
}


@pytest.fixture(params=ADAPTERS)
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Registry:
    return ADAPTERS[request.param](tmp_path)


def version(id_: str, model: str = "late") -> Version:
    lineage = Lineage(
        dataset=DatasetRef(table=model, version=0, digest="0" * 64),
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
    return Version(
        id=id_,
        model=model,
        name="trees",
        role="candidate",
        made_s=1_700_000_000.0,
        lineage=lineage,
        metrics={"log_loss": 0.3},
        parity=None,
    )


def test_a_model_nobody_registered_has_nothing(registry: Registry) -> None:
    assert registry.read("late") == Registered()


def test_versions_are_numbered_in_the_order_they_come_and_keep_their_tags(registry, fitted) -> None:
    folder, made = fitted
    assert registry.add(version(made), folder, description="one", tags={"a": "1"}) == "1"
    assert registry.add(version(made), folder, description="two", tags={"a": "2"}) == "2"
    assert registry.read("late").versions == {"1": {"a": "1"}, "2": {"a": "2"}}


def test_models_are_kept_apart(registry, fitted) -> None:
    folder, made = fitted
    registry.add(version(made), folder, description="", tags={})
    registry.add(version(made, "early"), folder, description="", tags={})
    registry.point("early", "champion", "1")
    assert registry.read("late").aliases == {}
    assert registry.read("early") == Registered({"1": {}}, {"champion": "1"}, {})


def test_tags_are_set_beside_those_that_are_there(registry, fitted) -> None:
    folder, made = fitted
    number = registry.add(version(made), folder, description="", tags={"a": "1", "b": "1"})
    registry.tag("late", number, {"b": "2", "c d.e_f-g": "3"})
    registry.tag_model("late", {"x": "1"})
    registry.tag_model("late", {"y": "a sentence, and two."})
    held = registry.read("late")
    assert held.versions == {number: {"a": "1", "b": "2", "c d.e_f-g": "3"}}
    assert held.tags == {"x": "1", "y": "a sentence, and two."}


def test_an_alias_moves_and_is_taken_away(registry, fitted) -> None:
    folder, made = fitted
    for _ in range(2):
        registry.add(version(made), folder, description="", tags={})
    registry.point("late", "champion", "1")
    registry.point("late", "champion", "2")
    assert registry.read("late").aliases == {"champion": "2"}
    registry.point("late", "champion", None)
    registry.point("late", "champion", None)
    assert registry.read("late").aliases == {}


def test_what_is_not_there_is_refused(registry, fitted) -> None:
    folder, made = fitted
    for write in (
        lambda: registry.tag("late", "1", {"a": "1"}),
        lambda: registry.tag_model("late", {"a": "1"}),
        lambda: registry.point("late", "champion", "1"),
    ):
        with pytest.raises(Conflict):
            write()
    registry.add(version(made), folder, description="", tags={})
    with pytest.raises(Conflict):
        registry.point("late", "champion", "7")
