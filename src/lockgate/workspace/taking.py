"""Events taken into a workspace, from a table or as rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from lockgate.errors import NotFound, unknown
from lockgate.features import event_table
from lockgate.features.aggregate import defined
from lockgate.features.event import EventType
from lockgate.records import Aggregate, Event
from lockgate.store.ports import Taken
from lockgate.workspace.wire import Wiring

if TYPE_CHECKING:
    import polars as pl
    from typing_extensions import TypeIs

AT_ONCE = 50_000


def take(wiring: Wiring, source: str, events: pl.DataFrame | Iterable[Mapping[str, object]]) -> Taken:
    """In stretches, each of which is kept whole or not at all; taken again after a stop, what is there counts once."""
    spec = wiring.spec.source.get(source)
    if spec is None:
        raise NotFound(
            unknown("source", source, wiring.spec.source), cure=f"Declare it: [source.{source}] in lockgate.toml."
        )
    now_us = round(wiring.clock() * 1e6)
    found: list[Event]
    if _is_table(events):
        held = event_table.held(source, spec.stream, events, now_us=now_us, aggregates=_over(wiring, source))
        found, again = event_table.events(spec.stream, held), events.height - held.height
    else:
        found, again = EventType(source, spec.stream, _over(wiring, source)).hold(events, now_us=now_us), 0
    taken = [wiring.events.add(source, found[start : start + AT_ONCE]) for start in range(0, len(found), AT_ONCE)]
    return Taken(sum(one.kept for one in taken), again + sum(one.known_before for one in taken))


def _is_table(events: Any) -> TypeIs[pl.DataFrame]:
    """Without importing Polars for rows as mappings."""
    return hasattr(events, "height")


def _over(wiring: Wiring, source: str) -> list[Aggregate]:
    """Every aggregate that is declared over a source."""
    of_all = [one for spec in wiring.spec.model.values() for one in defined(spec, wiring.spec.source).values()]
    return [one for one in of_all if one.source == source]
