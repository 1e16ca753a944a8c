"""Which of a contract's columns a loaded model reads."""

from __future__ import annotations

from lockgate.errors import SpecError, unknown
from lockgate.records import Column, Contract
from lockgate.runtime.loaded import Loaded


def inputs_of(loaded: Loaded, contract: Contract, named: tuple[str, ...] = ()) -> tuple[Column, ...]:
    """The contract's columns that the model reads, in its order. named: which, for a model whose file names none; left out
    they are all that are known in time but who and when, by place.

    Raises SpecError naming what the table lacks, or has too many of.
    """
    names = loaded.needs or named or _by_place(contract)
    lacking = [name for name in names if contract.column(name) is None]
    if lacking:
        known = [column.name for column in contract.columns]
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise SpecError(
            f"The model asks for {lacking[0]!r}{more}, which the table has not. {unknown('column', lacking[0], known)}",
            cure=f"It was fitted on {len(names)} columns: {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}.",
        )
    if not loaded.needs and loaded.width is not None and loaded.width != len(names):
        raise SpecError(
            f"The model takes {loaded.width} columns by place, and it is offered {len(names)}: {', '.join(names[:8])}"
            f"{', ...' if len(names) > 8 else ''}.",
            cure=f"Name those {loaded.width} it was fitted on, in that order: --columns A,B,...",
        )
    if contract.target in names:
        raise SpecError(
            f"The model reads {contract.target!r} itself, which is to be foretold.", cure="Name another target."
        )
    found = (contract.column(name) for name in names)
    return tuple(column for column in found if column is not None)


def _by_place(contract: Contract) -> tuple[str, ...]:
    apart = {contract.target, contract.unit, contract.time, *contract.keys}
    return tuple(column.name for column in contract.asked if column.name not in apart)
