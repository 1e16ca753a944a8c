"""The segment log gives back what was put in, and never anything else, whatever becomes of its last bytes."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.records import Outcome, Prediction, Shadow
from lockgate.records.prediction import LogEntry
from lockgate.store.segments import SegmentLog

words = st.text(max_size=12)
numbers = st.floats(allow_nan=False)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | numbers | words
maybe = st.none() | words
flags = st.lists(words, max_size=3).map(tuple)
predictions = st.builds(
    Prediction,
    id=words,
    model=words,
    unit=words,
    asked_s=numbers,
    answered_s=numbers,
    arm=st.sampled_from(("champion", "challenger")),
    version=words,
    served_by=words,
    value=numbers,
    latency_ms=numbers,
    share=st.floats(0, 1),
    rollout=maybe,
    failure=maybe,
    flags=flags,
    inputs=st.lists(scalars, max_size=4).map(tuple),
)
shadows = st.builds(
    Shadow,
    id=words,
    model=words,
    version=words,
    rollout=maybe,
    asked_s=numbers,
    value=st.none() | numbers,
    latency_ms=numbers,
    failure=maybe,
    flags=flags,
)
outcomes = st.builds(Outcome, id=words, model=words, value=numbers, at_s=numbers, received_s=numbers)
frames = st.lists(st.lists(predictions | shadows | outcomes, max_size=4), max_size=5)


@settings(max_examples=60, deadline=None)
@given(frames)
def test_whatever_is_appended_is_read_back_exactly_and_in_order(written: list[list[LogEntry]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = SegmentLog(Path(folder))
        writer = log.writer()
        for entries in written:
            writer.append(entries)
        found, cursor = log.read()
        writer.close()
        assert found == [entry for entries in written for entry in entries]
        assert log.read(cursor) == ([], cursor)


@settings(max_examples=30, deadline=None)
@given(frames)
def test_what_is_appended_durably_is_read_back_exactly_and_in_order(written: list[list[LogEntry]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = SegmentLog(Path(folder))
        writer = log.writer()
        for entries in written:
            writer.append(entries, durable=True)
        assert log.read()[0] == [entry for entries in written for entry in entries]
        writer.close()


@pytest.mark.parametrize("count", [15, 16, 65_535, 65_536])
def test_a_frame_of_any_length_is_a_list_of_that_length(count: int, tmp_path: Path) -> None:
    log = SegmentLog(tmp_path)
    writer = log.writer()
    writer.append([Outcome(id="p", model="m", value=1.0, at_s=1.0, received_s=1.0)] * count, durable=True)
    writer.close()
    assert len(log.read()[0]) == count


@settings(max_examples=40, deadline=None)
@given(frames, st.integers(1, 6))
def test_reading_in_pieces_gives_each_entry_once(written: list[list[LogEntry]], limit: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = SegmentLog(Path(folder))
        writer = log.writer()
        for entries in written:
            writer.append(entries)
        writer.close()
        found: list[LogEntry] = []
        part, cursor = log.read(None, limit)
        while part:
            found += part
            part, cursor = log.read(cursor, limit)
        assert found == [entry for entries in written for entry in entries]


@pytest.fixture
def segment(tmp_path: Path) -> tuple[SegmentLog, Path, list[Outcome]]:
    """Five frames of one outcome each."""
    log = SegmentLog(tmp_path)
    writer = log.writer()
    told = [Outcome(id=f"p{n}", model="m", value=float(n), at_s=n, received_s=n) for n in range(5)]
    for outcome in told:
        writer.append([outcome])
    writer.close()
    return log, next(tmp_path.glob("*.seg")), told


def mutated(whole: bytes, frame: int, chance: random.Random) -> bytes:
    """The last frame torn, flipped, overwritten, repeated, or followed by noise."""
    start = len(whole) - frame
    tail = bytearray(whole[start:])
    kind = chance.choice(("tear", "flip", "noise", "zero", "repeat", "append"))
    if kind == "tear":
        del tail[chance.randrange(frame) :]
    elif kind == "flip":
        tail[chance.randrange(frame)] ^= 1 << chance.randrange(8)
    elif kind == "noise":
        at = chance.randrange(frame)
        tail[at:] = chance.randbytes(frame - at)
    elif kind == "zero":
        at = chance.randrange(frame)
        tail[at:] = bytes(frame - at)
    elif kind == "repeat":
        tail = tail * 2
    else:
        tail += chance.randbytes(chance.randrange(1, 40))
    return whole[:start] + bytes(tail)


def test_five_hundred_mutated_tails_give_only_what_was_written(segment: tuple[SegmentLog, Path, list[Outcome]]) -> None:
    """A frame moved, repeated or changed is not read; a checksum of 32 bits lets noise through once in 4e9."""
    log, path, told = segment
    whole = path.read_bytes()
    chance = random.Random(31)
    seen = set()
    for _ in range(500):
        path.write_bytes(mutated(whole, len(whole) // 5, chance))
        found, _ = log.read()
        assert found in (told[:4], told)
        seen.add(len(found))
    assert seen == {4, 5}


def test_a_frame_of_another_segment_is_not_taken_for_its_own(
    segment: tuple[SegmentLog, Path, list[Outcome]], tmp_path: Path
) -> None:
    log, path, told = segment
    path.rename(tmp_path / "1-other.seg")
    assert told
    assert log.read()[0] == []


def test_a_tail_that_is_finished_later_is_read_on_from_the_cursor(
    segment: tuple[SegmentLog, Path, list[Outcome]],
) -> None:
    """A reader may look while a writer is between two halves of a frame."""
    log, path, told = segment
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    first, cursor = log.read()
    path.write_bytes(whole)
    rest, _ = log.read(cursor)
    assert (first, rest) == (told[:4], told[4:])
