"""A service asked for what a version answers: by its URL, or as a function from rows to values."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import ContractError, SpecError

if TYPE_CHECKING:
    import polars as pl

Rows = Sequence[Mapping[str, Any]]
Served = str | Callable[[Rows], Sequence[float | None]]
Ask = Callable[[Mapping[str, Any]], float | None]
"""One row to its answer; None where there is none of the version's own."""


class Sent(NamedTuple):
    """table: the rows that were answered by the version itself; values: what was said of each, shape (n,)."""

    table: pl.DataFrame
    values: NDArray[np.float64]


def asked_of(served: Served, table: pl.DataFrame, version: str) -> Sent:
    """Every row asked one by one: a refused one is left out, and one that another version or a fallback answered.

    Raises SpecError where nothing is left: then nothing was compared.
    """
    why: list[str] = []
    with _by_url(served, version, why) if isinstance(served, str) else nullcontext(_by_function(served)) as ask:
        said = [ask(row) for row in table.iter_rows(named=True)]
    answered = [place for place, value in enumerate(said) if value is not None]
    if not answered:
        raise SpecError(
            f"The service answered none of {table.height} rows with version {version[:6]}{f': {why[-1]}' if why else '.'}",
            cure="Is it served there, and does the table have the columns that a request must hold, and no others?",
        )
    return Sent(table[answered], np.array([said[place] for place in answered], dtype=np.float64))


def _by_function(served: Callable[[Rows], Sequence[float | None]]) -> Ask:
    return lambda row: served([row])[0]


@contextmanager
def _by_url(url: str, version: str, why: list[str]) -> Generator[Ask]:
    from lockgate.server.client import Client

    parts = urlsplit(url)
    room, _, model = parts.path.rpartition("/")
    if not room.endswith("/predict") or not model:
        raise SpecError(f"{url!r} is no address of a model.", cure="Write http://host:port/predict/MODEL.")
    with Client(f"{parts.scheme}://{parts.netloc}{room.removesuffix('/predict')}") as client:

        def ask(row: Mapping[str, Any]) -> float | None:
            try:
                (answer,) = client.predict(unquote(model), [row])
            except ContractError as refused:
                why.append(refused.message)
                return None
            return answer.value if answer.version == version and answer.failure is None else None

        yield ask
