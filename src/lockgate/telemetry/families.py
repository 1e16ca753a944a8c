"""Every series by name: another one is a line here, and whoever counts it."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram"]
Merge = Literal["sum", "min", "max", "newest"]

# Upper ends in seconds. The compiled path answers in tens of microseconds, and a deadline is rarely more than some seconds.
BOUNDS_S = (
    *(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025),
    *(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
WIDTH = (
    len(BOUNDS_S) + 2
)  # of a histogram's numbers: a count for each bound, one beyond the last, and the sum in seconds


class Family(NamedTuple):
    """kind: counters and histograms add up over all processes that ever were; a gauge is told by those that live, and
    `merge` says what several of them make together.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    merge: Merge = "sum"

    @property
    def version_at(self) -> int | None:
        """The place of the version among the labels: such a series goes some time after its version lost its traffic."""
        return self.labels.index("version") if "version" in self.labels else None

    @property
    def width(self) -> int:
        return WIDTH if self.kind == "histogram" else 1


_ALL = (
    # what a worker counts at each call
    Family(
        "lockgate_requests_total",
        "counter",
        "Calls answered (a row is a call), by the assigned version; result is ok, or fallback where another answered.",
        ("model", "version", "arm", "result"),
    ),
    Family(
        "lockgate_call_duration_seconds",
        "histogram",
        "What a call took from assignment to answer, as guardrails judge it.",
        ("model", "version", "arm"),
    ),
    Family(
        "lockgate_fallback_total",
        "counter",
        "Calls whose assigned version gave no valid answer of its own in time.",
        ("model", "reason"),
    ),
    Family(
        "lockgate_contract_violations_total",
        "counter",
        "Contract breaks: by flag of a row that was answered, or by request that was refused.",
        ("model", "column", "result"),
    ),
    Family(
        "lockgate_shadows_total",
        "counter",
        "Calls scored in shadow; result is ok or failed.",
        ("model", "version", "result"),
    ),
    Family("lockgate_shadows_skipped_total", "counter", "Requests not scored in shadow because too many waited."),
    Family("lockgate_outcomes_total", "counter", "Outcomes received.", ("model",)),
    # what a worker sees of connections and requests
    Family("lockgate_connections_open", "gauge", "Connections that are open now."),
    Family(
        "lockgate_connections_closed_total",
        "counter",
        "Connections closed before their time: slow, silent, crowded, head_too_large, malformed, ...",
        ("reason",),
    ),
    Family(
        "lockgate_http_requests_total",
        "counter",
        "HTTP requests by route and status.",
        ("route", "model", "status"),
    ),
    Family(
        "lockgate_request_duration_seconds",
        "histogram",
        "What an HTTP request took, from its headers to the last byte of its answer.",
        ("route", "model"),
    ),
    Family(
        "lockgate_refusals_total",
        "counter",
        "Requests refused, and rows refused alone among many, by the code in the answer.",
        ("model", "code"),
    ),
    # how a worker is
    Family("lockgate_calls_in_hand", "gauge", "HTTP calls being answered now."),
    Family("lockgate_calls_waiting", "gauge", "HTTP calls in hand that no thread works on yet."),
    Family(
        "lockgate_calls_in_hand_limit", "gauge", "HTTP calls that are let in at once; the next are answered with 503."
    ),
    Family("lockgate_log_spilled", "gauge", "Entries of the prediction log that wait in memory for the disk."),
    Family(
        "lockgate_log_dropped_total", "counter", "Entries of the prediction log that were lost: the disk took too long."
    ),
    Family("lockgate_workers_up", "gauge", "Worker processes that live."),
    Family("lockgate_workers_ready", "gauge", "Worker processes that are ready."),
    Family("lockgate_workers_wanted", "gauge", "Worker processes that there should be.", merge="max"),
    Family(
        "lockgate_problems",
        "gauge",
        "Problems that /readyz tells in words: a version that cannot be loaded, a log that cannot be written.",
        merge="max",
    ),
    Family(
        "lockgate_routing_revision",
        "gauge",
        "The routing's revision that the slowest worker goes by.",
        ("model",),
        merge="min",
    ),
    # how the versions are that answer from child processes, and whoever is left alone for a while
    Family(
        "lockgate_breaker_open",
        "gauge",
        "Workers that leave a version alone because it keeps callers waiting for nothing.",
        ("model", "version"),
    ),
    Family("lockgate_model_processes", "gauge", "Child processes that hold a version.", ("model", "version")),
    Family(
        "lockgate_model_process_starts_total",
        "counter",
        "Child processes started for a version; those that ended within a second of their start may be missed.",
        ("model", "version"),
    ),
    Family(
        "lockgate_model_process_resident_memory_bytes",
        "gauge",
        "Resident memory of a version's child processes, all together.",
        ("model", "version"),
    ),
    # how any process is
    Family("lockgate_process_starts_total", "counter", "Processes started.", ("process",)),
    Family("lockgate_process_cpu_seconds_total", "counter", "CPU time, user and system.", ("process",)),
    Family("lockgate_process_resident_memory_bytes", "gauge", "Resident memory, all together.", ("process",)),
    Family("lockgate_process_open_fds", "gauge", "Open file descriptors, all together.", ("process",)),
    Family(
        "lockgate_process_start_time_seconds",
        "gauge",
        "When the youngest process started, in seconds since 1970.",
        ("process",),
        merge="max",
    ),
    Family(
        "lockgate_series_age_seconds",
        "gauge",
        "How long ago the quietest living process told its counts: it hangs, or its disk refuses.",
        ("process",),
        merge="max",
    ),
    Family("lockgate_build_info", "gauge", "Always 1; which Lockgate this is.", ("release", "python"), merge="max"),
    # what the control process reads from the records
    Family(
        "lockgate_evidence_log_e",
        "gauge",
        "Natural log of the e-value that a gate's last look had.",
        ("model", "gate"),
        merge="newest",
    ),
    Family(
        "lockgate_alpha_spent_ratio",
        "gauge",
        "Share of the alpha budget spent within its window.",
        ("model",),
        merge="newest",
    ),
    Family(
        "lockgate_outcome_lag_seconds",
        "gauge",
        "Median time from question to outcome, over the last day of event time.",
        ("model",),
        merge="newest",
    ),
    Family(
        "lockgate_outcomes_waiting",
        "gauge",
        "Calls older than the horizon without an outcome.",
        ("model",),
        merge="newest",
    ),
    Family(
        "lockgate_outcomes_unknown",
        "gauge",
        "Outcomes whose prediction nobody knows.",
        ("model",),
        merge="newest",
    ),
    Family(
        "lockgate_outcomes_late",
        "gauge",
        "Outcomes that came after their call's day was closed.",
        ("model",),
        merge="newest",
    ),
    Family(
        "lockgate_traffic_share",
        "gauge",
        "Share of the traffic that a version is assigned.",
        ("model", "version", "arm"),
        merge="newest",
    ),
    Family(
        "lockgate_alarms_open",
        "gauge",
        "Alarms about the standing champion.",
        ("model", "severity"),
        merge="newest",
    ),
    Family(
        "lockgate_skill_ratio",
        "gauge",
        "Share of the loss of the newest closed day's own mean outcome that the champion removed; under 0 it is worse.",
        ("model",),
        merge="newest",
    ),
    Family(
        "lockgate_loss_mean",
        "gauge",
        "The champion's mean loss a call on the newest closed day, in the metric judged by.",
        ("model",),
        merge="newest",
    ),
    Family(
        "lockgate_drift_distance_ratio",
        "gauge",
        "Total variation of a column to the champion's reference, from 0 to 1, over the monitor's window of closed days.",
        ("model", "column"),
        merge="newest",
    ),
    Family(
        "lockgate_log_backlog_bytes",
        "gauge",
        "Bytes of the prediction log that wait to become tables.",
        merge="newest",
    ),
    Family(
        "lockgate_loop_turned_timestamp_seconds",
        "gauge",
        "When the loop last turned without an error, in seconds since 1970.",
        merge="max",
    ),
    Family("lockgate_loop_failures_total", "counter", "Turns of the loop that failed."),
)
FAMILIES = {family.name: family for family in _ALL}
