"""How a model is doing right now, for pages and status; replaced at every look."""

from __future__ import annotations

from lockgate.records.record import Record


class Health(Record, frozen=True, kw_only=True):
    """Over the last day of event time up to `until_s`.

    calls: by the version assigned; fallback_rate: failures over calls; p99_ms: of the answers' latency; outcome_lag_s:
    median from question to outcome; waiting: calls older than the horizon without an outcome; flags: flagged calls by
    flag, the commonest ten. unknown_outcomes: outcomes whose prediction nobody knows; late_outcomes: those that the loop
    read after their call's day was closed, since it started. not_taken: calls whose row the assigned version's contract keeps
    from it, so that another answered.

    stalled: why no turn of the loop over it came to its end for a while, a sentence; None where they do.

    event_s: the model's clock, event time of its newest question; never before `until_s`, for figures that are dear are made
    now and then. None of a record that was written before there was one.
    """

    model: str
    until_s: float
    seen_s: float
    calls: dict[str, int]
    fallback_rate: float
    p99_ms: float
    outcome_lag_s: float | None
    waiting: int
    unknown_outcomes: int
    late_outcomes: int = 0
    flags: dict[str, int] = {}
    not_taken: int = 0
    event_s: float | None = None
    stalled: str | None = None
    schema: int = 1

    @property
    def clock_s(self) -> float:
        """The model's clock, event time."""
        return self.until_s if self.event_s is None else self.event_s
