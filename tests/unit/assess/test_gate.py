"""The offline gate: the held-out rows found again from the record of them, and judged by what is independent there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from lockgate.assess.gate import GateQuestion, gate
from lockgate.errors import ContractError, SpecError
from lockgate.features import Pipeline, numeric
from lockgate.features.columns import Columns
from lockgate.features.held_out import is_held_out
from lockgate.features.infer import infer_for
from lockgate.records import (
    DatasetRef,
    GateSpec,
    HeldOut,
    Lineage,
    Manifest,
    ModelSpec,
    Ruling,
    Version,
)
from lockgate.runtime.predictor import Predictor

ROWS = 1_200
DAYS = 12
START = 1_700_006_400
LINEAGE = Lineage(
    dataset=DatasetRef(table="t", version=0, digest="0" * 64),
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
    rows=ROWS,
)


def table(target: str = "y") -> pl.DataFrame:
    rng = np.random.default_rng(9)
    x = rng.normal(size=ROWS)
    chance = 1 / (1 + np.exp(-1.5 * x))
    made: dict[str, Any] = {
        "x": x,
        "shop": rng.integers(0, 60, ROWS),
        "at": (START + np.arange(ROWS) * 86_400 * DAYS // ROWS) * 1_000_000,
        "y": (rng.random(ROWS) < chance).astype(np.int64),
        "price": 3 * x + rng.normal(size=ROWS),
        "kind": np.where(x < -0.5, "cat", np.where(rng.random(ROWS) < 0.5, "dog", "owl")),
    }
    kept = {name: made[name] for name in ("x", "shop", "at", target)}
    return pl.DataFrame(kept).with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")))


def predictor(name: str, answer: Callable[[np.ndarray], np.ndarray], task: str, classes: tuple[str, ...]) -> Predictor:
    manifest = Manifest(
        model="m",
        name=name,
        role="candidate",
        format="constant",
        task=task,  # type: ignore[arg-type]
        lineage=LINEAGE,
        inputs=(),
        files={},
        classes=classes,
    )
    return Predictor(name, manifest, Pipeline.of(numeric("x")), lambda matrix: answer(matrix[:, 0]), "constant")


def question(
    held_out: HeldOut | None,
    *,
    time: str | None = None,
    task: str = "binary",
    target: str = "y",
    classes: tuple[str, ...] = ("0", "1"),
    answers: tuple[Callable[..., Any], Callable[..., Any]] | None = None,
    spec: GateSpec | None = None,
) -> GateQuestion:
    rows = table(target)
    own, other = answers or (lambda x: 1 / (1 + np.exp(-1.5 * x)), lambda x: np.full(x.size, 0.5))
    version = Version(
        id="v" * 64,
        model="m",
        name="trees",
        role="candidate",
        made_s=0.0,
        lineage=LINEAGE,
        metrics={},
        parity=None,
        held_out=held_out,
    )
    return GateQuestion(
        version=version,
        spec=ModelSpec(target=target, task=task, time=time, gate=spec or GateSpec()),  # type: ignore[arg-type]
        contract=infer_for(target, rows, unit=None, time=time),
        table=rows,
        predictor=predictor("trees", own, task, classes),
        others={"baseline": predictor("majority", other, task, classes)},
        now_s=5.0,
    )


RANDOM = HeldOut(kind="random", share=0.3, seed=4)
SHOPS = HeldOut(kind="group", by="shop", share=0.4, seed=4)
LATE = HeldOut(kind="time", from_s=START + 86_400.0 * 4)


def test_rows_held_out_by_time_are_judged_by_day() -> None:
    (found,) = gate(question(LATE, time="at"))
    assert found.ruling is Ruling.PASS
    assert found.evidence.blocks == 8
    assert found.sentence.startswith("On 8 held-out days its log_loss is lower than that of baseline")
    assert found.at_s > LATE.from_s  # type: ignore[operator]


def test_groups_held_out_whole_are_judged_by_group() -> None:
    (found,) = gate(question(SHOPS, time="at"))
    asked = question(SHOPS)
    columns: Columns = {"shop": asked.table["shop"].cast(pl.Float64).to_numpy()}
    groups = np.unique(columns["shop"][is_held_out(columns, SHOPS, None)]).size
    assert found.evidence.blocks == groups
    assert found.ruling is Ruling.PASS
    assert f"On {groups} shops held out" in found.sentence


def test_rows_held_out_by_chance_are_judged_as_rows_and_by_day_where_there_is_a_time() -> None:
    (found,) = gate(question(RANDOM))
    assert found.gate.method == "BCa bootstrap over rows"
    assert found.evidence.n[0] == pytest.approx(0.3 * ROWS, abs=60)
    assert found.at_s == 5.0
    (timed,) = gate(question(RANDOM, time="at"))
    assert timed.evidence.blocks == DAYS


def test_many_classes_and_numbers_pass_the_same_gate() -> None:
    def knows(x: np.ndarray) -> np.ndarray:
        return np.where((x < -0.5)[:, None], [0.98, 0.01, 0.01], [0.01, 0.495, 0.495])

    def shares(x: np.ndarray) -> np.ndarray:
        return np.tile([0.3, 0.35, 0.35], (x.size, 1))

    of_kinds = {"task": "multiclass", "target": "kind", "classes": ("cat", "dog", "owl"), "answers": (knows, shares)}
    assert gate(question(RANDOM, **of_kinds))[0].ruling is Ruling.PASS
    assert gate(question(LATE, time="at", **of_kinds))[0].ruling is Ruling.PASS
    of_prices = {"task": "regression", "target": "price", "classes": (), "answers": (lambda x: 3 * x, np.zeros_like)}
    (found,) = gate(question(RANDOM, **of_prices))
    assert found.ruling is Ruling.PASS
    assert found.gate.measure == "absolute_error"


def test_a_class_nobody_knew_counts_against_both_alike() -> None:
    def knows(x: np.ndarray) -> np.ndarray:
        return np.where((x < -0.5)[:, None], [0.99, 0.01], [0.01, 0.99])

    of_kinds = {"task": "multiclass", "target": "kind", "classes": ("cat", "dog")}
    half = (knows, lambda x: np.full((x.size, 2), 0.5))
    (found,) = gate(question(RANDOM, answers=half, **of_kinds))
    assert found.evidence.n[0] == pytest.approx(0.3 * ROWS, abs=60)
    with pytest.raises(ContractError, match="never seen in training"):
        gate(question(RANDOM, classes=("1", "2")))


def test_slices_are_judged_on_the_same_rows() -> None:
    found = gate(question(RANDOM, spec=GateSpec(slices=("shop",))))
    assert [item.gate.name for item in found] == ["gate against baseline", "gate of slices against baseline"]
    with pytest.raises(SpecError, match="Did you mean 'shop'"):
        gate(question(RANDOM, spec=GateSpec(slices=("shopp",))))


def test_a_version_whose_rows_nobody_knows_is_refused_with_the_way_out() -> None:
    with pytest.raises(SpecError, match="Nobody knows which rows") as caught:
        gate(question(None))
    assert "lockgate check" in caught.value.cure


def test_asking_again_gives_the_same_verdict() -> None:
    assert gate(question(RANDOM)) == gate(question(RANDOM))
