"""`lockgate.toml`, or `[tool.lockgate]` in pyproject.toml: read strictly, unknown keys refused with the nearest known one."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

import msgspec

from lockgate.decide import ladder, retraining
from lockgate.errors import ConfigError, NotFound, SpecError
from lockgate.features.aggregate import defined
from lockgate.features.expression import refuse_unreadable
from lockgate.metrics import loss
from lockgate.records import ModelSpec, MonitorSpec, WorkspaceSpec
from lockgate.records.drill import is_drill
from lockgate.records.duration import seconds
from lockgate.telemetry.channels import refuse_unknown

FILE = "lockgate.toml"


def find(directory: Path) -> Path:
    """The configuration file of a project folder. Raises NotFound with the command that makes one."""
    file = directory / FILE
    if file.is_file():
        return file
    project = directory / "pyproject.toml"
    if project.is_file() and "lockgate" in tomllib.loads(project.read_text()).get("tool", {}):
        return project
    raise NotFound(f"There is no {FILE} in {directory}.", cure="Make one with: lockgate init")


def read(file: Path) -> WorkspaceSpec:
    """What the file says. Raises ConfigError naming the key and the cure."""
    try:
        found = tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}.") from error
    if file.name == "pyproject.toml":
        found = found["tool"]["lockgate"]
    _refuse_unknown(found, WorkspaceSpec, file.name)
    try:
        spec = msgspec.convert(found, WorkspaceSpec)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{file.name}: {_readable(str(error))}.") from error
    except SpecError as error:
        raise ConfigError(f"{file.name}: {error.message}", cure=error.cure) from error
    for word in spec.alerts.channels:
        refuse_unknown(word)
    for name, model in spec.model.items():
        _check(name, model, file.name)
        _check_aggregates(name, model, spec, file.name)
    return spec


def _check(name: str, spec: ModelSpec, file: str) -> None:
    """What the types cannot say: durations, names of metrics and guardrails, a ladder that climbs."""
    if is_drill(name):
        raise ConfigError(f"{file}: model.{name} has the name of a drill.", cure="Leave the end of it out.")
    loss(spec.judged_by, spec.task)
    ladder.steps(spec.rollout)
    for duration in (
        spec.outcomes.horizon,
        *([spec.gate.holdout] if spec.gate.holdout and not spec.gate.holdout.endswith("%") else []),
        spec.rollout.block,
        spec.rollout.deadline,
        spec.monitor.window,
    ):
        seconds(duration)
    if spec.rollout.block != "1d":
        raise ConfigError(
            f"{file}: model.{name}.rollout.block is {spec.rollout.block!r}; only '1d' is calibrated so far."
        )
    if spec.monitor.false_alarms_per_year != MonitorSpec().false_alarms_per_year:
        raise ConfigError(
            f"{file}: model.{name}.monitor.false_alarms_per_year is not acted on yet.", cure="Leave it out for now."
        )
    _check_retrain(name, spec, file)
    _check_rules(name, spec, file)
    for link in spec.fallback:
        if isinstance(link, str) and link not in ("champion", "baseline") and ":" not in link:
            raise ConfigError(
                f"{file}: model.{name}.fallback names {link!r}.",
                cure='Use "champion", "baseline", a rule of your own as "module:function", or a number.',
            )


def _check_retrain(name: str, spec: ModelSpec, file: str) -> None:
    own = spec.retrain
    seconds(own.cooldown)
    try:
        retraining.triggers(own)
        retraining.windows(own.window)
    except SpecError as error:
        raise ConfigError(f"{file}: model.{name}: {error.message}", cure=error.cure) from error
    if (isinstance(own.run, str) and ":" not in own.run) or own.run == ():
        raise ConfigError(
            f"{file}: model.{name}.retrain.run is {own.run!r}.",
            cure='Write "module:function", or a command as a list of words: ["python", "train.py", "{table}"].',
        )


def _check_rules(name: str, spec: ModelSpec, file: str) -> None:
    place = f"{file}: model.{name}.contract.rules"
    for number, rule in enumerate(spec.contract.rules):
        if not rule.name or any(other.name == rule.name for other in spec.contract.rules[:number]):
            raise ConfigError(f"{place} has two rules called {rule.name!r}.", cure="Give each rule its own name.")
        refuse_unreadable(rule.check, place=f"{place}: {rule.name!r}")


def _check_aggregates(name: str, model: ModelSpec, spec: WorkspaceSpec, file: str) -> None:
    try:
        defined(model, spec.source)
    except SpecError as error:
        raise ConfigError(f"{file}: model.{name}.aggregates: {error.message}", cure=error.cure) from error


def _refuse_unknown(found: Mapping[str, Any], kind: type[msgspec.Struct], place: str) -> None:
    """Walk the file beside the records: msgspec names the unknown key, this adds where it is and what was meant."""
    known = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for key, value in found.items():
        if key not in known:
            near = get_close_matches(key, known, n=1)
            cure = f"Did you mean {near[0]!r}?" if near else f"Known here: {', '.join(sorted(known))}."
            raise ConfigError(f"{place} has an unknown key {key!r}.", cure=cure, place=f"{place}: {key}")
        for name, inner, deeper in _tables(known[key], key, value):
            _refuse_unknown(inner, deeper, f"{place}: {name}")


def _tables(kind: Any, key: str, value: Any) -> Iterator[tuple[str, Mapping[str, Any], type[msgspec.Struct]]]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and isinstance(value, dict):
        yield key, value, kind
    inner = get_args(kind)
    records = [option for option in inner if isinstance(option, type) and issubclass(option, msgspec.Struct)]
    if len(records) == 1 and isinstance(value, list):
        items: list[Any] = value  # pyright: ignore[reportUnknownVariableType] # TOML: any value
        yield from ((f"{key}[{place}]", item, records[0]) for place, item in enumerate(items) if isinstance(item, dict))
    if len(records) == 1 and inner[0] is not str and isinstance(value, dict):
        yield key, value, records[0]
    is_table_of_records = len(inner) == 2 and isinstance(inner[1], type) and issubclass(inner[1], msgspec.Struct)
    if is_table_of_records and isinstance(value, dict):
        entries: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType] # TOML: any value, string keys
        for name, item in entries.items():
            if isinstance(item, dict):
                yield f"{key}.{name}", item, inner[1]


def _readable(message: str) -> str:
    """The path that msgspec gives, `$.model[...].gate` as a person writes it."""
    return message.replace("`$.", "`").replace("[...]", ".<name>")
