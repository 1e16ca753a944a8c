"""Which of a contract's columns a loaded model reads."""

from __future__ import annotations

from lockgate.errors import SpecError, unknown
from lockgate.records import Column, Contract
from lockgate.runtime.loaded import Loaded


def inputs_of(loaded: Loaded, contract: Contract) -> tuple[Column, ...]:
    """The contract's columns that the model reads, in its order; by place where its file names none.

    Raises SpecError naming what the table lacks, or has too many of.
    """
    apart = {contract.target, contract.unit, contract.time, *contract.keys}
    if loaded.needs:
        names: tuple[str, ...] = loaded.needs
        lacking = [name for name in names if contract.column(name) is None]
        if lacking:
            known = [column.name for column in contract.columns]
            more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
            raise SpecError(
                f"The model asks for {lacking[0]!r}{more}, which the table has not. {unknown('column', lacking[0], known)}",
                cure=f"It was fitted on {len(names)} columns: {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}.",
            )
    else:
        names = tuple(column.name for column in contract.asked if column.name not in apart)
        if loaded.width is not None and loaded.width != len(names):
            raise SpecError(
                f"The model takes {loaded.width} columns by place; the table has {len(names)} beside {contract.target!r}.",
                cure="Leave out the columns it was not fitted on, or keep the order of those it was.",
            )
    if contract.target in names:
        raise SpecError(
            f"The model reads {contract.target!r} itself, which is to be foretold.", cure="Name another target."
        )
    found = (contract.column(name) for name in names)
    return tuple(column for column in found if column is not None)
