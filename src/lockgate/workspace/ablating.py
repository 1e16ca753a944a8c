"""What each feature of a version is worth: the version trained again without it, or asked with its values shuffled."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from lockgate.assess.ablation import losses, sentence
from lockgate.errors import NotFound, SpecError
from lockgate.features.columns import Columns, take
from lockgate.features.outcome import outcome
from lockgate.features.parted import Without, alone, kind_of, without
from lockgate.features.pipeline import Floats, Pipeline, observed, resolve
from lockgate.metrics import Loss, loss
from lockgate.records import Column, Contract, Dataset, ModelSpec, Version
from lockgate.records.duration import UNITS_S
from lockgate.records.feature_worth import FeatureTable, FeatureWorth
from lockgate.runtime.feature_cost import cost
from lockgate.runtime.formats import engine, estimator
from lockgate.runtime.predictor import Predictor
from lockgate.train.features import Features
from lockgate.train.split import Split, split
from lockgate.workspace.making import ADOPTED
from lockgate.workspace.wire import Wiring

Progress = Callable[[str], None]
ALPHA = 0.05
SHUFFLES = 3


class _Trial(NamedTuple):
    """The version's own rows and recipe."""

    wiring: Wiring
    version: Version
    contract: Contract
    spec: ModelSpec
    rows: Split
    predictor: Predictor
    measure: Loss
    progress: Progress


def features_of(
    wiring: Wiring, version: Version, spec: ModelSpec, *, quick: bool = False, alpha: float = ALPHA, progress: Progress
) -> FeatureTable:
    """Each feature's cost, missing rate and worth on the rows that were held out when the version was trained.

    quick: shuffle instead of training again, which a model from elsewhere needs. Raises NotFound where the dataset is gone,
    SpecError for a model from elsewhere that is to be trained, or under 3 held-out blocks.
    """
    if version.lineage.train.startswith(ADOPTED) and not quick:
        raise SpecError(
            f"{version.short} was not trained here, so it cannot be trained without a feature.",
            cure=f"Shuffle instead: lockgate data features {version.short} --quick",
        )
    trial = _trial(wiring, version, spec, progress)
    own = trial.predictor.pipeline
    parts = {name: without(own, name) for name in own.names}
    if quick:
        with_it, others = _shuffled(trial)
    else:
        with_it, others = _retrained(trial, parts)
    block, by = _blocks(trial)
    lost = losses(with_it, others, block, alpha=alpha)
    found: list[FeatureWorth] = []
    for name in own.names:
        made = _described(trial, name, parts[name])
        if name in lost:
            made = msgspec.structs.replace(made, loses=lost[name].mean, low=lost[name].low, high=lost[name].high)
        found.append(made)
    return FeatureTable(
        version=version.id,
        metric=trial.measure.name,
        method="shuffled" if quick else "retrained",
        rows=with_it.size,
        blocks=int(np.unique(block).size),
        by=by,
        alpha=alpha,
        features=tuple(found),
        sentence=sentence(found, trial.measure.name, alpha),
    )


def _trial(wiring: Wiring, version: Version, spec: ModelSpec, progress: Progress) -> _Trial:
    dataset = next((d for d in wiring.records.all(Dataset, version.model) if d.ref == version.lineage.dataset), None)
    if dataset is None:
        raise NotFound(f"The dataset {version.lineage.dataset} of {version.short} is not in this workspace.")
    own = msgspec.structs.replace(spec, seed=version.lineage.seed)
    contract, predictor = wiring.contract(version.id), wiring.predictor(version.id)
    rows = split(wiring.tables.read(dataset.ref), contract, own, predictor.manifest.classes or None)
    measure = loss(own.judged_by, own.task)
    return _Trial(wiring, version, contract, own, rows, predictor, measure, progress)


def _retrained(trial: _Trial, parts: dict[str, Without]) -> tuple[Floats, dict[str, Floats]]:
    """Losses by row: of the recipe as it was, trained once more, and without each feature."""
    fit, table = resolve(trial.version.lineage.train), trial.wiring.tables.read(trial.version.lineage.dataset)

    def trained(pipeline: Pipeline) -> Floats:
        own = pipeline.fit(trial.rows.train, trial.rows.y)
        handed = Features(pipeline=own, contract=trial.contract, task=trial.spec.task, classes=trial.rows.classes)
        made = fit(table[trial.rows.train_rows], handed)
        answer = engine(estimator.of(made), _inputs(own, trial))
        return _loss(trial, np.asarray(answer(own.transform(trial.rows.held_out)), dtype=np.float64))

    trial.progress("trained with every feature")
    with_it = trained(trial.predictor.pipeline)
    found: dict[str, Floats] = {}
    for place, (name, part) in enumerate(parts.items(), 1):
        if part.pipeline is not None:
            trial.progress(f"trained without {', '.join(part.gone)} ({place} of {len(parts)})")
            found[name] = trained(part.pipeline)
    return with_it, found


def _inputs(pipeline: Pipeline, trial: _Trial) -> tuple[Column, ...]:
    if not pipeline.is_raw:
        return observed(pipeline.names, pipeline.matrix(trial.rows.train))
    found = (trial.contract.column(name) for name in pipeline.names)
    return tuple(column for column in found if column is not None)


def _shuffled(trial: _Trial) -> tuple[Floats, dict[str, Floats]]:
    """Losses by row: of the version as it is, and with one feature's values shuffled, the mean of a few times."""
    own, rng = trial.predictor, np.random.default_rng(trial.spec.seed)
    inputs = own.pipeline.transform(trial.rows.held_out)
    found: dict[str, Floats] = {}
    for place, name in enumerate(own.pipeline.names):
        trial.progress(f"shuffled {name} ({place + 1} of {len(own.pipeline.names)})")
        told = np.zeros(trial.rows.y_held.size)
        for _ in range(SHUFFLES):
            order = rng.permutation(told.size)
            if isinstance(inputs, dict):
                moved: Columns | NDArray[np.float32] = {**inputs, name: inputs[name][order]}
            else:
                moved = inputs.copy()
                moved[:, place] = inputs[order, place]
            told += _loss(trial, np.asarray(own.engine(moved), dtype=np.float64))
        found[name] = told / SHUFFLES
    return _loss(trial, np.asarray(own.engine(inputs), dtype=np.float64)), found


def _loss(trial: _Trial, values: Floats) -> Floats:
    y = outcome(trial.contract, trial.rows.held_out, trial.spec.task, trial.rows.classes)
    return np.asarray(trial.measure.of(values, y), dtype=np.float64)


def _blocks(trial: _Trial) -> tuple[NDArray[np.int64], str]:
    """What is independent: a day where there is a time, the groups that were held out together, else rows."""
    held, record = trial.rows.held_out, trial.rows.record
    if trial.contract.time is not None:
        return np.floor(held[trial.contract.time] / UNITS_S["d"]).astype(np.int64), "day"
    if record.by is not None:
        _, place = np.unique(np.array([str(v) for v in held[record.by].tolist()]), return_inverse=True)
        return place.astype(np.int64), record.by
    return np.arange(trial.rows.y_held.size), "row"


def _described(trial: _Trial, name: str, part: Without) -> FeatureWorth:
    own, held = trial.predictor.pipeline, trial.rows.held_out
    of_it = own if own.is_raw else alone(own, name)
    columns = (name,) if own.is_raw else of_it.needs
    order = tuple(column for column in trial.contract.asked if column.name in columns)
    spent = cost(of_it, {column: held[column] for column in columns}, order)
    return FeatureWorth(
        name=name,
        kind=kind_of(own, name),
        columns=tuple(columns),
        one_row_us=spent.one_row_us,
        batch_us=spent.batch_us,
        missing=_missing(own, of_it, name, take(held, np.arange(trial.rows.y_held.size))),
        gone=(name, *(other for other in part.gone if other != name)),
    )


def _missing(own: Pipeline, of_it: Pipeline, name: str, held: Columns) -> float:
    values = held[name] if own.is_raw else of_it.matrix(held)[:, of_it.names.index(name)]
    missing = np.array([value is None or value != value for value in values.tolist()])
    return float(missing.mean())
