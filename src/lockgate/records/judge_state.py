"""What a judge must remember between calls, processes and crashes."""

from __future__ import annotations

from lockgate.records.evidence import Verdict
from lockgate.records.policy import Look, Policy
from lockgate.records.record import Record


class JudgeState(Record, frozen=True, kw_only=True):
    """All a judge must remember, under 100 kB but for its units.

    calls, events: by arm, champion first; an event is a failure; latency has none. pairs: calls that both versions
    scored. repeated: bad calls of units that had
    bet before, described only. harm, less: log capital of each bet; placed: how many calls have bet. ratio_cells,
    ratio_rest: the log likelihood of each ratio, as counts by share and as a sum. reference, frozen: the arms' running
    counts, and the champion's that the scores now in force were made from. mismatch: units, excess and e of the
    sample-ratio test. looks: each `stride`-th bet's. bettors, watched: 8 bytes a unit. void: that the evidence is unsound;
    a verdict may come after it.
    """

    policy: Policy
    engine: int
    model: str
    calls: tuple[int, int]
    pairs: int
    events: tuple[int, int]
    repeated: int
    shares: tuple[tuple[float, int], ...]
    fingerprint: int
    harm: tuple[float, ...]
    less: tuple[float, ...]
    ratio_cells: tuple[tuple[float, int, int], ...]
    ratio_rest: tuple[float, ...]
    placed: int
    stride: int
    looks: tuple[Look, ...]
    reference: tuple[tuple[int, ...], ...]
    frozen: tuple[int, ...]
    mismatch: tuple[int, float, float]
    bettors: bytes
    watched: bytes
    verdict: Verdict | None = None
    void: Verdict | None = None
    schema: int = 1
