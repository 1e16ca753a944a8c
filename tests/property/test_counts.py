"""Counts merge in any order: shards, minutes and hosts may report as they like."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.records import Cell
from lockgate.stats import label_bet

NONE = Cell(share=0.25)
pair = st.tuples(st.integers(0, 1000), st.integers(0, 1000))
cells = st.lists(
    st.builds(
        Cell,
        share=st.just(0.25),
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
def test_cells_of_one_share_add_up_to_the_same_counts_in_any_order(found: list[Cell], chance: object) -> None:
    shuffled = list(found)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert sum(found, NONE) == sum(shuffled, NONE)


@given(cells, st.integers(0, 12))
def test_adding_parts_first_changes_nothing(found: list[Cell], cut: int) -> None:
    assert sum(found[:cut], NONE) + sum(found[cut:], NONE) == sum(found, NONE)


@given(cells)
def test_adding_loses_no_call_and_invents_none(found: list[Cell]) -> None:
    added = sum(found, NONE)
    for arm in (0, 1):
        assert added.calls[arm] == sum(cell.calls[arm] for cell in found)
        assert added.failures[arm] == sum(cell.failures[arm] for cell in found)
    assert added.pairs == sum(cell.pairs for cell in found)


bets = st.lists(st.tuples(st.sampled_from((0.0, 0.05, 0.25, 0.5, 1.0)), st.integers(0, 200), st.integers(0, 200)))


@given(bets, st.floats(1, 5))
def test_the_bet_does_not_care_in_which_order_or_in_how_many_pieces_counts_come(
    counts: list[tuple[float, int, int]], margin: float
) -> None:
    whole = label_bet.log_e(counts, margin=margin)
    pieces = [(w, champion, 0) for w, champion, _ in counts] + [(w, 0, challenger) for w, _, challenger in counts]
    assert label_bet.log_e(reversed(pieces), margin=margin) == pytest.approx(whole, rel=1e-9, abs=1e-9)
