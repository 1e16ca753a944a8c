"""`lockgate inspect`: the contract that a table keeps, or what a table breaks of one. No workspace needed."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lockgate.cli import show
from lockgate.errors import SpecError
from lockgate.records import Column, Contract, decode

if TYPE_CHECKING:
    import polars as pl

    from lockgate.features.contract import Checked

SHOWN_LEVELS = 6


def inspect(
    table: Annotated[Path, typer.Argument(help="Parquet, CSV, Arrow, JSON lines, or a Delta folder.")],
    target: Annotated[str | None, typer.Option(help="The outcome's column.")] = None,
    unit: Annotated[str | None, typer.Option(help="The column that names who is asked about.")] = None,
    time: Annotated[str | None, typer.Option(help="The column that says when the question was asked.")] = None,
    model: Annotated[str, typer.Option(help="The model's name, for --toml.")] = "my_model",
    toml: Annotated[bool, typer.Option("--toml", help="The contract as lines for lockgate.toml.")] = False,
    json_schema: Annotated[bool, typer.Option("--json-schema", help="A request as JSON Schema.")] = False,
    against: Annotated[
        str | None,
        typer.Option(help="Hold the table to this: a contract.json, or module:Class. Exit 1 if a row may not pass."),
    ] = None,
    separator: Annotated[str | None, typer.Option(help="Between the values of a CSV line.")] = None,
    decimal_comma: Annotated[bool, typer.Option("--decimal-comma", help="1,5 is one and a half.")] = False,
    text: Annotated[
        list[str] | None, typer.Option(help="A column that is text although it looks like numbers.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The record as JSON.")] = False,
) -> None:
    """The contract that a table keeps, or the rows that break one."""
    from lockgate.features.infer import infer_for, notes, prepared
    from lockgate.store.files import read

    found = read(table, separator=separator, decimal_comma=decimal_comma, text=text or ())
    rows, mended = prepared(found.table)
    show.notes([*found.notes, *mended])
    if against is not None:
        _hold(rows, _contract(against, target, unit, time), table, json=json)
        return
    contract = infer_for(target, rows, unit=unit, time=time, model=model)
    if toml or json_schema:
        _written(contract, toml=toml)
        return
    if json:
        show.as_json(contract)
        return
    _table(contract)
    show.say(f"{rows.height:,} rows, {rows.width} columns.", *(f"note: {note}" for note in notes(rows, contract)))
    name = shlex.quote(str(table))
    show.following(
        f"lockgate check MODEL {name} --target {target}" if target else f"lockgate inspect {name} --target COLUMN"
    )


def _written(contract: Contract, *, toml: bool) -> None:
    from lockgate.features.json_schema import json_schema
    from lockgate.features.written import toml as as_toml

    if not contract.target:
        raise SpecError("A contract has a target.", cure="Name the outcome's column: --target COLUMN")
    if toml:
        sys.stdout.write(as_toml(contract))
    else:
        show.as_json(json_schema(contract))


def _contract(against: str, target: str | None, unit: str | None, time: str | None) -> Contract:
    """What `--against` names. Raises SpecError where it is no contract, NotFound where the file is not there."""
    from lockgate.errors import NotFound
    from lockgate.features.declare import Table, contract_from, contract_of
    from lockgate.features.imported import from_pandera
    from lockgate.features.pipeline import resolve

    if against.endswith(".json"):
        if not Path(against).is_file():
            raise NotFound(f"There is no file {against}.", cure="Name a contract.json, or module:Class.")
        return decode(Contract, Path(against).read_bytes())
    sys.path.insert(0, str(Path.cwd()))
    named = resolve(against)
    if isinstance(named, type) and issubclass(named, Table):
        return contract_of(named)
    imported = from_pandera(named)
    show.notes(f"not carried over: {note}" for note in imported.notes)
    if target is None:
        raise SpecError("A Pandera schema does not say which column is the outcome.", cure="Name it: --target COLUMN")
    return contract_from(imported.spec, model=against, target=target, unit=unit, time=time)


def _hold(table: pl.DataFrame, contract: Contract, path: Path, *, json: bool) -> None:
    from lockgate.features.contract import check

    checked = check(table, contract)
    if json:
        counts = {"rows": table.height, "kept": checked.kept.height}
        show.as_json(counts | {"refused": checked.counts, "flagged": checked.flagged})
    else:
        _breaks(checked, contract)
        show.say(f"{checked.kept.height:,} of {table.height:,} rows keep the contract of {contract.model}.")
        show.following(f"lockgate data {contract.model} {shlex.quote(str(path))}")
    sys.exit(show.EXIT["fail" if checked.counts else "pass"])


def _breaks(checked: Checked, contract: Contract) -> None:
    from rich.console import Console
    from rich.table import Table

    from lockgate.features.check import kinds

    if not checked.counts and not checked.flagged:
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("rule", "rows", "what it does", "written as"):
        table.add_column(name, justify="right" if name == "rows" else "left", overflow="fold")
    checks = {f"{rule.name}: broken": rule.check for rule in contract.rules}
    does = {f"{column.name}: {kind}": what for column in contract.columns for kind, what in kinds(column)}
    does |= {f"{rule.name}: broken": rule.on_break for rule in contract.rules}
    for flag, rows in (checked.counts | checked.flagged).items():
        table.add_row(flag, f"{rows:,}", does.get(flag, "refuse").replace("_", " "), checks.get(flag, ""))
    Console().print(table)


def _table(contract: Contract) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("column", "type", "null", "range or levels", "outside it", "role"):
        table.add_column(name, overflow="fold")
    for column in contract.columns:
        null = "may be" if column.is_nullable else "refused"
        outside = column.does("levels" if column.type == "text" else "range").replace("_", " ")
        known = _known(column)
        table.add_row(column.name, column.type, null, known, outside if known else "", _role(column, contract))
    Console().print(table)


def _known(column: Column) -> str:
    if column.levels is not None:
        shown = ", ".join(column.levels[:SHOWN_LEVELS])
        return shown if len(column.levels) <= SHOWN_LEVELS else f"{shown}, ... ({len(column.levels)})"
    if column.low is None and column.high is None:
        return ""
    low, high = ("" if bound is None else f"{bound:.6g}" for bound in (column.low, column.high))
    return f"{low} .. {high}"


def _role(column: Column, contract: Contract) -> str:
    roles = {"target": contract.target, "unit": contract.unit, "time": contract.time, "known": contract.known}
    found = [role for role, name in roles.items() if name == column.name]
    found += ["key"] if column.name in contract.keys else []
    return ", ".join(found) or ("" if column.is_known_before else "known after the question")
