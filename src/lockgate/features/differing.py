"""Contracts that differ: what may stand beside what, what the differences are, and the one contract that reads for all.

While versions with different contracts may answer, callers send the rows of any of them. A column that all can hold in
one type is read once, in that type; one that they cannot (text here, a number there) must not come about.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from lockgate.errors import SpecError
from lockgate.records import Column, Contract

_NUMBERS = frozenset({"int", "float"})


def is_one(contracts: Iterable[Contract]) -> bool:
    """Whether all of them ask the same of a row."""
    first, *others = (_asks(contract) for contract in contracts)
    return all(other == first for other in others)


def apart(one: Contract, other: Contract) -> str | None:
    """The first column that no row could hold for both, as a sentence; None where there is none."""
    for column in one.asked:
        beside = _asked(other, column.name)
        if beside is None:
            continue
        if column.type != beside.type and not {column.type, beside.type} <= _NUMBERS:
            return f"Column {column.name!r} is {column.type} in one contract and {beside.type} in the other"
        if column.aggregate != beside.aggregate:
            return f"Column {column.name!r} is not computed alike under both contracts"
    return None


def refuse_apart(champion: Contract, challenger: Contract, *, names: tuple[str, str]) -> None:
    """Raises SpecError naming a column that callers could not send to both versions. names: the champion's, the other's."""
    found = apart(champion, challenger)
    if found is not None:
        raise SpecError(
            f"{found} ({names[0]}, {names[1]}): no caller could send a row that both versions read.",
            cure="Give the column another name in the new version's table, and let both be sent for a while.",
        )


def differences(before: Contract, after: Contract) -> list[str]:
    """What a caller who sends `before`'s rows should know of `after`, a sentence each."""
    held, new = ({column.name: column for column in contract.sent} for contract in (before, after))
    found = [
        f"{name} is new: a row without it cannot be answered by the new version, and the version before answers."
        for name in new.keys() - held.keys()
    ]
    found += [f"{name} is asked no more: a row may leave it out." for name in held.keys() - new.keys()]
    for name in sorted(held.keys() & new.keys()):
        found += [f"{name} {what}." for what in _changed(held[name], new[name])]
    return sorted(found)


def merged(contracts: Sequence[Contract]) -> Contract:
    """One contract that reads the rows of all, the first of them counting most: every column that any of them asks for, in
    the wider type, with nothing else asked of it. What is computed is computed as it was declared.

    Raises SpecError where a column cannot be read for all.
    """
    main = contracts[0]
    for other in contracts[1:]:
        refuse_apart(main, other, names=("the champion's", "another's"))
    columns: dict[str, Column] = {}
    for contract in contracts:
        for column in contract.columns:
            held = columns.get(column.name)
            if held is None or (column.is_known_before and not held.is_known_before):
                columns[column.name] = column
            elif column.is_known_before:
                columns[column.name] = msgspec.structs.replace(held, type=_wider(held, column))
    return msgspec.structs.replace(main, columns=tuple(_bare(column) for column in columns.values()))


def _asks(contract: Contract) -> tuple[Any, ...]:
    return contract.asked, contract.rules, contract.unit, contract.time


def _asked(contract: Contract, name: str) -> Column | None:
    found = contract.column(name)
    return found if found is not None and found.is_known_before else None


def _wider(one: Column, other: Column) -> Any:
    return one.type if one.type == other.type else "float"


def _bare(column: Column) -> Column:
    """The column with nothing asked of it but its type; a computed one as it is, for nobody sends it."""
    if not column.is_known_before or column.aggregate is not None:
        return column
    return Column(name=column.name, type=column.type, is_nullable=True)


def _changed(before: Column, after: Column) -> list[str]:
    found: list[str] = []
    if before.type != after.type:
        found.append(f"is {after.type} and was {before.type}")
    if before.is_nullable != after.is_nullable:
        found.append("may be missing" if after.is_nullable else "may not be missing any longer")
    if (before.low, before.high) != (after.low, after.high):
        found.append("has another range")
    gone, new = (set(one.levels or ()) - set(other.levels or ()) for one, other in ((before, after), (after, before)))
    if gone or new:
        found.append("has other levels")
    return found
