"""How the service is doing: what all workers of one host did in the last minute, and what waits."""

from __future__ import annotations

from lockgate.records.record import Record


class Service(Record, frozen=True, kw_only=True):
    """Over `span_s` seconds up to `at_s`, wall time; the last minute at most, and nothing before the first look.

    calls_per_s: rows answered; fallback_rate: failures over calls, None without calls; errors_per_s, refusals_per_s: requests
    answered with 5xx, and refused in words. median_ms, p95_ms, p99_ms: of a call, from its histogram, None without calls.
    cpu: cores that the workers used; a worker has one to give. in_hand: requests being answered now, waiting of them for a
    thread, limit let in. memory_bytes: resident, of all processes together. backlog_bytes: of the log, in no table yet;
    spilled: entries that wait in memory for the disk; lost: entries lost, since the counts began. outcome_lag_s: by model,
    median from question to outcome.
    """

    at_s: float
    span_s: float
    workers: int
    workers_wanted: int
    calls_per_s: float
    fallback_rate: float | None
    errors_per_s: float
    refusals_per_s: float
    median_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    cpu: float
    in_hand: int
    waiting: int
    limit: int
    memory_bytes: float
    backlog_bytes: float
    spilled: int
    lost: int
    outcome_lag_s: dict[str, float]
    schema: int = 1

    @property
    def saturation(self) -> float:
        """The share of what it can give that it gives: of cores, or of requests let in, whichever is nearer its end."""
        cores = self.cpu / self.workers if self.workers else 0.0
        return max(cores, self.in_hand / self.limit if self.limit else 0.0)
