"""A pipeline without one of its features, and one of its features alone."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from lockgate.features.pipeline import CustomStep, NumericStep, OwnStep, Pipeline, RawStep, Step


class Without(NamedTuple):
    """gone: the feature, and those made of it. pipeline: None where nothing is left."""

    pipeline: Pipeline | None
    gone: tuple[str, ...]


def without(pipeline: Pipeline, name: str) -> Without:
    """The pipeline without the feature of this name, nor any that is made of it."""
    gone, made, steps = {name}, set[str](), list[Step]()
    for step in pipeline.steps:
        if isinstance(step, OwnStep) and gone & made & set(step.needs):
            gone |= set(step.gives)
        made |= set(step.gives) if isinstance(step, OwnStep | CustomStep) else set()
        kept = _kept(step, tuple(one for one in step.gives if one not in gone))
        steps += [kept] if kept is not None else []
    left = Pipeline(steps=tuple(steps)) if steps else None
    return Without(left, tuple(one for one in pipeline.names if one in gone))


def alone(pipeline: Pipeline, name: str) -> Pipeline:
    """The steps that this feature takes: those that make it, and what they read of others."""
    wanted, steps = {name}, list[Step]()
    for step in reversed(pipeline.steps):
        own = isinstance(step, OwnStep | CustomStep)
        kept = _kept(step, tuple(one for one in step.gives if one in (wanted if own else {name})))
        if kept is not None:
            steps.insert(0, kept)
            wanted |= set(step.needs) if isinstance(step, OwnStep) else set()
    return Pipeline(steps=tuple(steps))


def kind_of(pipeline: Pipeline, name: str) -> str:
    """The kind of the step that gives a feature in the end: numeric, levels, row, ..."""
    step = next(step for step in reversed(pipeline.steps) if name in step.gives)
    return str(step.__struct_config__.tag)


def _kept(step: Step, names: tuple[str, ...]) -> Step | None:
    if not names:
        return None
    if isinstance(step, NumericStep | RawStep):
        return msgspec.structs.replace(step, columns=names)
    return msgspec.structs.replace(step, gives=names) if isinstance(step, CustomStep) else step
