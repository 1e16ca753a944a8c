"""What a serving process knows of sources: how their events are read, where they are kept, and who computes of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from lockgate.errors import Conflict, NotFound, unknown
from lockgate.features.event import EventType
from lockgate.records import Aggregate, Contract, SourceSpec, Stream
from lockgate.serve.completing import Completing
from lockgate.serve.online import Online
from lockgate.store.event_store import FILE, EventStore
from lockgate.store.ports import Taken
from lockgate.store.serving_file import Sourced, SourcesFile


class _Source(NamedTuple):
    sourced: Sourced
    type: EventType


class Intake:
    """The sources of one workspace in one process. home: its `.lockgate` folder; forgets: as of a data plane."""

    def __init__(self, home: Path, *, forgets: bool = True) -> None:
        self._file = SourcesFile(home)
        self._forgets = forgets
        self._held: dict[str, _Source] = {}
        self._served: dict[str, dict[str, Aggregate]] = {}  # by model
        self.online = Online(EventStore(home / FILE))

    def refresh(self) -> None:
        """Take up what the file says. Raises StoreError where it cannot be read."""
        held = self._held
        self._held = {
            name: held[name]
            if name in held and held[name].sourced == sourced
            else _Source(sourced, EventType(name, sourced.spec.stream, sourced.aggregates.values()))
            for name, sourced in self._file.read().items()
        }

    @property
    def streams(self) -> dict[str, Stream]:
        """The shape of each source's events."""
        return {name: source.sourced.spec.stream for name, source in self._held.items()}

    def completing(self, contract: Contract) -> Completing | None:
        """What completes rows of this contract; None where nothing of it is computed."""
        self._served[contract.model] = contract.aggregates
        if not contract.aggregates:
            return None
        return Completing(contract, self._sources(), self.online)

    def take(self, source: str, body: bytes) -> Taken:
        """The events of a body, kept. Raises NotFound, ContractError naming the event and its column, Conflict for an id with
        another content, StoreError when the outside refuses.
        """
        held = self._held.get(source)
        if held is None:
            raise NotFound(
                unknown("source", source, self._held), cure=f"Declare it: [source.{source}] in lockgate.toml."
            )
        self._refuse_other_shape(source, held.sourced)
        events = held.type.decode(body, now_us=time.time_ns() // 1000)
        return self.online.add(source, events) if events else Taken(0, 0)

    def tell(self, problems: dict[str, str]) -> None:
        """What is wrong with the store, under `events`."""
        if self.online.problem is None:
            problems.pop("events", None)
        else:
            problems["events"] = self.online.problem

    def close(self) -> None:
        self.online.close()

    def _sources(self) -> Mapping[str, SourceSpec]:
        found = {name: source.sourced.spec for name, source in self._held.items()}
        if self._forgets:
            return found
        return {name: msgspec.structs.replace(spec, retention=None) for name, spec in found.items()}

    def _refuse_other_shape(self, source: str, sourced: Sourced) -> None:
        """Events of another shape would be read wrongly by the versions that serve."""
        for model, aggregates in self._served.items():
            for name, aggregate in aggregates.items():
                if aggregate.source == source and aggregate.stream != sourced.spec.stream:
                    raise Conflict(
                        f"The source {source} is declared otherwise than {name!r} of {model} was trained on, which serves.",
                        cure="Give the new shape a new name: [source.NAME].",
                    )
