"""The ledger: an entry's digest stands for all that came before it; a record's bytes stand for the record."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lockgate.records import Cell, Evidence, Outcome, PairBlock, RolloutSpec, decode, digest, encode
from lockgate.records.entry import GENESIS, link

texts = st.text(max_size=15)
lines = st.tuples(st.sampled_from(("verdict", "move", "alarm")), texts, texts)
numbers = st.floats(allow_nan=False, allow_infinity=False)


def digests(entries: list[tuple[str, str, str]]) -> list[str]:
    found, previous = [], GENESIS
    for number, (kind, subject, body) in enumerate(entries, start=1):
        previous = link(previous, number, kind, subject, body)
        found.append(previous)
    return found


@given(st.lists(lines, min_size=1, max_size=8), st.data())
def test_changing_any_entry_changes_its_digest_and_every_later_one_and_none_before(
    entries: list[tuple[str, str, str]], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(entries) - 1))
    kind, subject, body = entries[at]
    changed = [*entries[:at], (kind, subject, body + data.draw(st.text(min_size=1))), *entries[at + 1 :]]
    before, after = digests(entries), digests(changed)
    assert before[:at] == after[:at]
    assert not set(before[at:]) & set(after[at:])


@given(st.lists(lines, min_size=2, max_size=8, unique=True))
def test_taking_an_entry_out_or_turning_two_round_changes_the_last_digest(entries: list[tuple[str, str, str]]) -> None:
    assert digests(entries)[-1] != digests(entries[1:])[-1]
    assert digests(entries)[-1] != digests([entries[1], entries[0], *entries[2:]])[-1]


evidence = st.builds(
    Evidence,
    estimate=st.none() | numbers,
    log_e=st.none() | numbers,
    n=st.lists(st.integers(0, 2**53), max_size=2).map(tuple),
    blocks=st.integers(0, 1000),
    path=st.lists(numbers, max_size=5).map(tuple),
    detail=st.dictionaries(texts, numbers, max_size=4),
)


@given(evidence)
def test_a_record_is_read_back_as_it_was_written(record: Evidence) -> None:
    assert decode(Evidence, encode(record)) == record


@given(evidence, st.randoms(use_true_random=False))
def test_equal_records_have_equal_bytes_whatever_the_order_their_dicts_were_filled_in(
    record: Evidence, chance: object
) -> None:
    items = list(record.detail.items())
    chance.shuffle(items)  # type: ignore[attr-defined]
    other = decode(Evidence, encode(record))
    shuffled = Evidence(**{f: getattr(other, f) for f in Evidence.__struct_fields__} | {"detail": dict(items)})
    assert encode(shuffled) == encode(record)
    assert digest(shuffled) == digest(record)


@given(st.lists(st.sampled_from(("replay", "shadow")) | st.floats(0, 1), max_size=6), numbers)
def test_a_plan_and_a_block_survive_their_bytes(rungs: list[str | float], loss: float) -> None:
    spec = RolloutSpec(ladder=tuple(rungs))
    assert decode(RolloutSpec, encode(spec)) == spec
    block = PairBlock(
        model="m",
        rollout="r",
        start_s=0,
        end_s=86400,
        champion="a",
        challenger="b",
        scored=3,
        champion_loss=loss,
        challenger_loss=loss,
        cells=(Cell(share=0.25, calls=(1, 2)),),
    )
    assert decode(PairBlock, encode(block)) == block


@given(texts, texts)
def test_entries_of_the_log_that_differ_have_different_digests(one: str, other: str) -> None:
    first, second = (Outcome(id=name, model="m", value=1, at_s=0, received_s=0) for name in (one, other))
    assert (digest(first) == digest(second)) == (one == other)
