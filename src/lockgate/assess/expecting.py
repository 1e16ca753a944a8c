"""How metrics are expected without outcomes: CBPE, CBPE under the weights of a classifier of domains, a model of the loss.

Each is a method: fitted on a reference whose outcomes are known, it says of other rows what each metric will be there, if
P(Y|X) is unchanged. METHODS 6.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from lockgate.assess import cbpe
from lockgate.assess.cbpe import Guess
from lockgate.assess.encoded import LEVELS, as_numbers
from lockgate.assess.others import FOLDS, cross_fitted
from lockgate.features.columns import Columns
from lockgate.metrics import expected

Floats = NDArray[np.float64]
Method = Literal["CBPE", "M-CBPE", "loss model"]
FEWEST_FITTED = 10
LEAST_CHANCE = 0.05
"""Of the classifier of domains: no reference row weighs more than 19 times, or less than a 19th, of an even one."""


class Rows(NamedTuple):
    """value: shape (n,), what was said; inputs: by name, shape (n,); outcome: shape (n,), or none at all."""

    value: Floats
    inputs: Columns
    outcome: Floats | None = None

    def take(self, rows: NDArray[Any]) -> Rows:
        inputs = {name: values[rows] for name, values in self.inputs.items()}
        return Rows(self.value[rows], inputs, None if self.outcome is None else self.outcome[rows])


class Expected(NamedTuple):
    """effective_rows: what the reference is worth under its weights."""

    guesses: Mapping[str, Guess]
    effective_rows: float


Fitted = Callable[[Rows], Expected]


class Asked(NamedTuple):
    """alpha: of the luck's interval; threshold: from which chance on a row is predicted 1."""

    method: Method
    alpha: float = 0.05
    threshold: float = 0.5
    seed: int = 0


def fitted(asked: Asked, reference: Rows) -> Fitted:
    """The method, ready to be asked of other rows. reference: with outcomes, of one row at least."""
    if asked.method == "CBPE":
        return _calibrated_once(asked, reference)
    return _reweighted(asked, reference) if asked.method == "M-CBPE" else _of_losses(asked, reference)


def realised(method: Method, rows: Rows, *, threshold: float = 0.5) -> dict[str, float]:
    """The same metrics from the outcomes; nan where there is none."""
    outcome = _outcome(rows)
    if method != "loss model":
        return expected.measures(rows.value, outcome, threshold=threshold)
    if not outcome.size:
        return {"absolute_error": math.nan, "rmse": math.nan}
    off = rows.value - outcome
    return {"absolute_error": float(np.abs(off).mean()), "rmse": math.sqrt(float(np.square(off).mean()))}


def _calibrated_once(asked: Asked, reference: Rows) -> Fitted:
    calibrate = cbpe.calibrated(reference.value, _outcome(reference))

    def guess(rows: Rows) -> Expected:
        found = cbpe.guesses(
            rows.value, calibrate(rows.value), alpha=asked.alpha, threshold=asked.threshold, seed=asked.seed
        )
        return Expected(found, float(reference.value.size))

    return guess


def _reweighted(asked: Asked, reference: Rows) -> Fitted:
    def guess(rows: Rows) -> Expected:
        if not rows.value.size:
            return Expected(cbpe.guesses(rows.value, rows.value, alpha=asked.alpha), 0.0)
        weight = domain_weights(reference, rows, seed=asked.seed)
        calibrate = cbpe.calibrated(reference.value, _outcome(reference), weight)
        found = cbpe.guesses(
            rows.value, calibrate(rows.value), alpha=asked.alpha, threshold=asked.threshold, seed=asked.seed
        )
        return Expected(found, float(weight.sum()) ** 2 / float(np.square(weight).sum()))

    return guess


def domain_weights(reference: Rows, rows: Rows, *, seed: int) -> Floats:
    """How much likelier each reference row is among `rows` than where it stands: shape (n_reference,), positive.

    By a small boosted classifier that tells the two apart by inputs and prediction, asked of rows it did not learn from;
    w = n_reference / n_rows x h / (1 - h), h clipped to [.05, .95]. Source: Bickel, Brueckner, Scheffer (2009).
    """
    both = _matrix(reference, rows)
    first = reference.value.size
    is_here: NDArray[np.float64] = (np.arange(len(both)) >= first).astype(np.float64)
    fold = np.random.default_rng(seed).permutation(both.shape[0]) % FOLDS
    chance = cross_fitted(both, is_here, fold, is_number=False)[:first]
    clipped = np.clip(chance, LEAST_CHANCE, 1 - LEAST_CHANCE)
    found: Floats = first / rows.value.size * clipped / (1 - clipped)
    return found


def _of_losses(asked: Asked, reference: Rows) -> Fitted:
    """Two boosted models, of the absolute and of the squared error, from the inputs and the prediction."""
    off = reference.value - _outcome(reference)
    ranks = {name: _ranks(own) for name, own in reference.inputs.items() if own.dtype == object}

    def numbers(rows: Rows) -> Floats:
        named = [_ranked(own, ranks[name]) if name in ranks else as_numbers(own) for name, own in rows.inputs.items()]
        return np.column_stack([rows.value, *named])

    models = {
        name: _LossModel(numbers(reference), loss) for name, loss in (("abs", np.abs(off)), ("sq", np.square(off)))
    }

    def guess(rows: Rows) -> Expected:
        here = numbers(rows)
        found = {
            "absolute_error": models["abs"].mean(here, asked.alpha),
            "rmse": _root(models["sq"].mean(here, asked.alpha)),
        }
        return Expected(found, float(off.size))

    return guess


class _LossModel:
    """What a loss is to be, from numbers; of a loss that never varies, or of a few rows, its mean."""

    def __init__(self, known: Floats, loss: Floats) -> None:
        from sklearn.ensemble import HistGradientBoostingRegressor

        self._mean, self._usable = float(loss.mean()), ~np.isnan(known).all(axis=0)
        self._model: Any = None
        left = loss - self._mean
        if np.ptp(loss) > 0 and known.shape[0] >= FEWEST_FITTED:
            least = max(2, min(20, known.shape[0] // 20))
            make: Any = HistGradientBoostingRegressor  # its types refuse early_stopping=False
            self._model = make(max_iter=50, max_leaf_nodes=8, min_samples_leaf=least, early_stopping=False)
            with _one_thread():
                self._model.fit(known[:, self._usable], loss)
            left = loss - self._said(known)
        self._left = float(left.std())

    def mean(self, here: Floats, alpha: float) -> Guess:
        """Over these rows, with both ends of the luck at 1 - alpha."""
        if not here.shape[0]:
            return Guess(math.nan, math.nan, math.nan)
        value = max(0.0, float(self._said(here).mean()))
        reach = float(ndtri(1 - alpha / 2)) * self._left / math.sqrt(here.shape[0])
        return Guess(value, max(0.0, value - reach), value + reach)

    def _said(self, here: Floats) -> Floats:
        if self._model is None:
            return np.zeros(len(here)) + self._mean
        with _one_thread():
            said: Floats = np.asarray(self._model.predict(here[:, self._usable]), dtype=np.float64)
        return said


def _one_thread() -> Any:
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    found: Any = threadpool_limits(limits=1)
    return found


def _ranks(values: NDArray[Any]) -> dict[Any, float]:
    return dict(zip(values.tolist(), as_numbers(values).tolist(), strict=True))


def _ranked(values: NDArray[Any], ranks: Mapping[Any, float]) -> Floats:
    """Levels by their rank in the reference; one it never had stands with its rarest, none at all is missing."""
    return np.array([math.nan if v is None else ranks.get(v, float(LEVELS)) for v in values.tolist()], dtype=np.float64)


def _root(squared: Guess) -> Guess:
    return Guess(*(math.sqrt(value) if value >= 0 else math.nan for value in squared))


def _matrix(reference: Rows, rows: Rows) -> Floats:
    """Both, one above the other, as numbers for trees: levels are coded over both together."""
    named = [np.concatenate([reference.value, rows.value])]
    named += [as_numbers(np.concatenate([own, rows.inputs[name]])) for name, own in reference.inputs.items()]
    return np.column_stack(named)


def _outcome(rows: Rows) -> Floats:
    return np.empty(0) if rows.outcome is None else rows.outcome
