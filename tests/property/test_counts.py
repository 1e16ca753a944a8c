"""Counts merge in any order: shards, minutes and hosts may report as they like."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.monitor.evidence import merge
from lockgate.records import Cell
from lockgate.stats import label_bet

pair = st.tuples(st.integers(0, 1000), st.integers(0, 1000))
cells = st.lists(
    st.builds(
        Cell,
        share=st.sampled_from((0.0, 0.05, 0.25, 0.5, 1.0)),
        calls=pair,
        failures=pair,
        pairs=st.integers(0, 1000),
        failed_only=pair,
        broke_only=pair,
        bad=st.integers(0, 1000),
    ),
    max_size=12,
)


@given(cells, st.randoms(use_true_random=False))
def test_cells_merge_to_the_same_counts_in_any_order(found: list[Cell], chance: object) -> None:
    shuffled = list(found)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert merge(found) == merge(shuffled)
    assert list(merge(found)) == sorted({cell.share for cell in found})


@given(cells, st.integers(0, 12))
def test_merging_parts_first_changes_nothing(found: list[Cell], cut: int) -> None:
    parts = [*merge(found[:cut]).values(), *merge(found[cut:]).values()]
    assert merge(parts) == merge(found)


@given(cells)
def test_merging_loses_no_call_and_invents_none(found: list[Cell]) -> None:
    merged = merge(found).values()
    for arm in (0, 1):
        assert sum(cell.calls[arm] for cell in merged) == sum(cell.calls[arm] for cell in found)
        assert sum(cell.failures[arm] for cell in merged) == sum(cell.failures[arm] for cell in found)
    assert sum(cell.pairs for cell in merged) == sum(cell.pairs for cell in found)


bets = st.lists(st.tuples(st.sampled_from((0.0, 0.05, 0.25, 0.5, 1.0)), st.integers(0, 200), st.integers(0, 200)))


@given(bets, st.floats(1, 5))
def test_the_bet_does_not_care_in_which_order_or_in_how_many_pieces_counts_come(
    counts: list[tuple[float, int, int]], margin: float
) -> None:
    whole = label_bet.log_e(counts, margin=margin)
    pieces = [(w, champion, 0) for w, champion, _ in counts] + [(w, 0, challenger) for w, _, challenger in counts]
    assert label_bet.log_e(reversed(pieces), margin=margin) == pytest.approx(whole, rel=1e-9, abs=1e-9)
