"""A contract written in Python: a class with a line for each column.

    class Flights(Table):
        flight_id: str = unit(key=True)
        asked_at: datetime = time()
        landed_at: datetime = known()
        seats: int = column(low=1, high=500)
        wait: float | None = column(low=0, on_break={"range": "flag"})
        carrier: str = column(levels=("AA", "UA"), on_break="fall_back")
        late: bool = target()

        lands_after_asking = rule("landed_at >= asked_at", on_break="flag")

`lockgate.toml` takes it by `schema_from = "module:Flights"`; `contract_of(Flights)` is the contract without a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import NoneType, UnionType
from typing import Any, ClassVar, Union, get_args, get_origin, get_type_hints

import msgspec

from lockgate.errors import SpecError, unknown
from lockgate.features.check import read_rules
from lockgate.features.imported import from_pandera
from lockgate.features.pipeline import resolve
from lockgate.records import Column, ColumnSpec, Contract, ContractSpec, Rule, Severity
from lockgate.records.contract import ColumnType, OnBreak

_TYPES: dict[Any, ColumnType] = {int: "int", float: "float", bool: "bool", str: "text", datetime: "time"}
OnBreaks = OnBreak | Mapping[str, OnBreak] | None


class _Field(msgspec.Struct, frozen=True, kw_only=True):
    """What stands to the right of a column in a class. role: target, unit, time or known."""

    spec: ColumnSpec
    role: str | None = None
    key: bool = False
    name: str | None = None


def column(
    *,
    low: float | None = None,
    high: float | None = None,
    levels: tuple[str, ...] | None = None,
    on_break: OnBreaks = None,
    known_after: bool | None = None,
    key: bool = False,
    name: str | None = None,
) -> Any:
    """A column. on_break: one word for its range and levels, or one by rule (missing, not_finite, range, levels).
    key: together with the other keys it names a row once. name: the column's, where Python cannot spell it.
    """
    severity = _severity(on_break)
    spec = ColumnSpec(low=low, high=high, levels=levels, on_break=severity, known_after=known_after)
    return _Field(spec=spec, key=key, name=name)


def key(*, name: str | None = None) -> Any:
    """A column that names a row, alone or with other keys."""
    return _Field(spec=ColumnSpec(), key=True, name=name)


def unit(*, key: bool = False, name: str | None = None) -> Any:
    """The column that names who is asked about."""
    return _Field(spec=ColumnSpec(), role="unit", key=key, name=name)


def time(*, name: str | None = None) -> Any:
    """The column that says when the question was asked."""
    return _Field(spec=ColumnSpec(), role="time", name=name)


def known(*, name: str | None = None) -> Any:
    """The column that says when the outcome was known."""
    return _Field(spec=ColumnSpec(known_after=True), role="known", name=name)


def target(*, name: str | None = None) -> Any:
    """The outcome's column."""
    return _Field(spec=ColumnSpec(known_after=True), role="target", name=name)


def rule(check: str, *, on_break: OnBreak = "refuse", name: str | None = None) -> Any:
    """A condition between the columns of a row; its name is the attribute's unless given."""
    return Rule(name=name or "", check=check, on_break=on_break)


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """What a class says: the columns in order, the roles, and the rest as `lockgate.toml` would have it."""

    spec: ContractSpec
    roles: dict[str, str]


class Table:
    """What a contract's class inherits from."""

    declared: ClassVar[Declared]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.declared = _declared(cls)


def spec_of(table: type[Table]) -> ContractSpec:
    """What the class says of the columns, without the roles that `lockgate.toml` gives."""
    return table.declared.spec


def contract_of(table: type[Table], *, model: str | None = None) -> Contract:
    """The contract of a class alone. Raises SpecError where it has no target, or a rule that cannot be read."""
    declared = table.declared
    if "target" not in declared.roles:
        raise SpecError(
            f"{table.__name__} has no target.", cure="Write late: bool = target() for the outcome's column."
        )
    return contract_from(declared.spec, model=model or table.__name__, **declared.roles)


def contract_from(
    spec: ContractSpec,
    *,
    model: str,
    target: str,
    unit: str | None = None,
    time: str | None = None,
    known: str | None = None,
) -> Contract:
    """A contract from what was written alone, with no table seen. Raises SpecError for a column without a type."""
    spec = written(spec)
    for name in (n for n in (target, unit, time, known, spec.known, *spec.keys) if n):
        if name not in spec.columns:
            raise SpecError(unknown("column", name, spec.columns), cure="Name it among the contract's columns.")
    contract = Contract(
        model=model,
        columns=tuple(_column(name, spec, is_target=name == target) for name in spec.columns),
        target=target,
        unit=unit,
        time=time,
        known=known or spec.known,
        keys=spec.keys,
        rules=spec.rules,
    )
    read_rules(contract)
    return contract


def written(spec: ContractSpec) -> ContractSpec:
    """All that a person wrote: the class that `schema_from` names, with what stands beside it put over it.

    Raises SpecError where it cannot be imported, or is no contract.
    """
    if spec.schema_from is None:
        return spec
    base = _imported(spec.schema_from)
    return ContractSpec(
        known_after=tuple(dict.fromkeys((*base.known_after, *spec.known_after))),
        known=spec.known or base.known,
        keys=spec.keys or base.keys,
        nullable=tuple(dict.fromkeys((*base.nullable, *spec.nullable))),
        ranges=base.ranges | spec.ranges,
        columns=base.columns | {n: _over(base.columns.get(n, ColumnSpec()), said) for n, said in spec.columns.items()},
        rules=tuple({rule.name: rule for rule in (*base.rules, *spec.rules)}.values()),
    )


def _imported(name: str) -> ContractSpec:
    """What "module:Class" says: a Table's class, or a Pandera schema of which nothing is left behind."""
    found = resolve(name)
    if isinstance(found, type) and issubclass(found, Table):
        return found.declared.spec
    spec, notes = from_pandera(found)
    if notes:
        raise SpecError(
            f"{name} cannot be carried over whole. {' '.join(notes)}",
            cure="Take these out of the schema, or write the contract as a class of lockgate.features.declare.Table.",
        )
    return spec


def _over(base: ColumnSpec, said: ColumnSpec) -> ColumnSpec:
    given = {name: value for name, value in msgspec.structs.asdict(said).items() if value is not None}
    return msgspec.structs.replace(base, **given)


def _column(name: str, spec: ContractSpec, *, is_target: bool) -> Column:
    said = spec.columns[name]
    if said.type is None:
        raise SpecError(f"Nothing says what type column {name!r} has.", cure="Give it one, or a table to read it from.")
    low, high = (said.low, said.high) if said.has_range else spec.ranges.get(name, (None, None))
    is_known_before = not (is_target or said.known_after or name in spec.known_after or name == spec.known)
    return Column(
        name=name,
        type=said.type,
        is_nullable=bool(said.nullable) or name in spec.nullable or not is_known_before,
        low=low,
        high=high,
        range_origin="inferred" if low is None and high is None else "declared",
        levels=said.levels,
        on_break=said.on_break if isinstance(said.on_break, str) else "flag",
        severity=said.on_break if isinstance(said.on_break, Severity) else Severity(),
        is_known_before=is_known_before,
    )


def _declared(table: type) -> Declared:
    columns: dict[str, ColumnSpec] = {}
    roles: dict[str, str] = {}
    keys: list[str] = []
    hints = {name: hint for name, hint in get_type_hints(table).items() if name != "declared"}
    for attribute, hint in hints.items():
        field = getattr(table, attribute, None) or _Field(spec=ColumnSpec())
        if not isinstance(field, _Field):
            raise SpecError(
                f"{table.__name__}.{attribute} is {field!r}, which says nothing of a column.",
                cure="Write column(...), key(), unit(), time(), known() or target().",
            )
        name = field.name or attribute
        columns[name] = _typed(table, attribute, hint, field)
        keys += [name] if field.key else []
        if field.role in roles:
            raise SpecError(f"{table.__name__} has two columns for {field.role}: {roles[field.role]!r} and {name!r}.")
        roles |= {field.role: name} if field.role else {}
    _refuse_untyped(table, hints)
    rules = tuple(
        msgspec.structs.replace(found, name=found.name or attribute)
        for attribute, found in vars(table).items()
        if isinstance(found, Rule)
    )
    spec = ContractSpec(columns=columns, keys=tuple(keys), known=roles.get("known"), rules=rules)
    return Declared(spec=spec, roles=roles)


def _typed(table: type, attribute: str, hint: Any, field: _Field) -> ColumnSpec:
    """The column with the type of its annotation: `float | None` may be missing."""
    options = [hint]
    if get_origin(hint) in (Union, UnionType):
        options = [option for option in get_args(hint) if option is not NoneType]
    if len(options) != 1 or options[0] not in _TYPES:
        raise SpecError(
            f"{table.__name__}.{attribute} has type {hint}, which no contract knows.",
            cure="Write int, float, bool, str or datetime, with | None where it may be missing.",
        )
    given: dict[str, Any] = msgspec.structs.asdict(field.spec) | {
        "type": _TYPES[options[0]],
        "nullable": options[0] is not hint,
    }
    if field.role in ("known", "target"):
        given["nullable"] = True  # an outcome comes late, or never
    try:
        return ColumnSpec(**given)
    except SpecError as error:
        raise SpecError(f"{table.__name__}.{attribute}: {error.message}", cure=error.cure) from error


def _refuse_untyped(table: type, hints: Mapping[str, Any]) -> None:
    for attribute, value in vars(table).items():
        if isinstance(value, _Field) and attribute not in hints:
            raise SpecError(
                f"{table.__name__}.{attribute} has no type.", cure=f"Write {attribute}: float = ..., say, before it."
            )


def _severity(on_break: OnBreaks) -> OnBreak | Severity | None:
    if on_break is None or isinstance(on_break, str):
        return on_break
    kinds = [field.name for field in msgspec.structs.fields(Severity)]
    for kind in on_break:
        if kind not in kinds:
            raise SpecError(unknown("kind of rule", kind, kinds))
    return msgspec.convert(dict(on_break), Severity)
