"""What the dashboard shows: rows of panels, each with what it says and the queries behind it. One list, read by
`telemetry.dashboard`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple


class Query(NamedTuple):
    """expr: PromQL; `$model` are the models chosen. legend: Grafana's template, by labels."""

    expr: str
    legend: str = ""


class Panel(NamedTuple):
    """unit: by Grafana's names. red_at: from where a figure is red, None where none is. width: of 24 columns."""

    title: str
    says: str
    unit: str
    queries: tuple[Query, ...]
    kind: Literal["timeseries", "stat"] = "timeseries"
    width: int = 8
    height: int = 8
    red_at: float | None = None
    is_stacked: bool = False
    is_from_zero: bool = True


def _figure(title: str, says: str, unit: str, query: str, red_at: float | None = None) -> Panel:
    return Panel(title, says, unit, (Query(query),), kind="stat", width=4, height=4, red_at=red_at)


_OF = '{model=~"$model"}'
_RATE = "[$__rate_interval]"
_FAILED = f'sum by (model) (rate(lockgate_requests_total{{model=~"$model", result="fallback"}}{_RATE}))'
_ASKED = f"sum by (model) (rate(lockgate_requests_total{_OF}{_RATE}))"


def _quantiles(name: str, by: str, legend: str, where: str = '{model=~"$model"}') -> tuple[Query, ...]:
    return tuple(
        Query(f"histogram_quantile({q}, sum by ({by}, le) (rate({name}_bucket{where}{_RATE})))", f"{legend} {said}")
        for q, said in ((0.5, "median"), (0.95, "p95"), (0.99, "p99"))
    )


_NOW = (
    _figure(
        "Calls a second", "Rows answered, by every worker.", "reqps", f"sum(rate(lockgate_requests_total{_OF}{_RATE}))"
    ),
    _figure(
        "Fallback rate",
        "Share of the calls that another answered than the version they were assigned to.",
        "percentunit",
        f'(sum(rate(lockgate_requests_total{{model=~"$model", result="fallback"}}{_RATE})) or vector(0))'
        f" / sum(rate(lockgate_requests_total{_OF}{_RATE}))",
        0.02,
    ),
    _figure(
        "p99 of a call",
        "From assignment to answer.",
        "s",
        f"histogram_quantile(0.99, sum by (le) (rate(lockgate_call_duration_seconds_bucket{_OF}{_RATE})))",
    ),
    _figure(
        "Workers ready",
        "Of those that there should be.",
        "percentunit",
        "lockgate_workers_ready / lockgate_workers_wanted",
    ),
    _figure(
        "Open pages",
        "Alarms of Lockgate's own that wake somebody.",
        "none",
        'sum(lockgate_alarms_open{model=~"$model", severity="page"})',
        1,
    ),
    _figure("Problems", "As /readyz tells them in words.", "none", "lockgate_problems", 1),
)
_CALLS = (
    Panel(
        "Calls by version",
        "Rows answered a second, by the version they were assigned to.",
        "reqps",
        (
            Query(
                f"sum by (model, version, arm) (rate(lockgate_requests_total{_OF}{_RATE}))",
                "{{model}} {{version}} {{arm}}",
            ),
        ),
        is_stacked=True,
    ),
    Panel(
        "Fallback rate",
        "Failures over calls: the assigned version gave no valid answer of its own in time.",
        "percentunit",
        (Query(f"({_FAILED} or 0 * {_ASKED}) / {_ASKED}", "{{model}}"),),
        red_at=0.02,
    ),
    Panel(
        "Why another answered",
        "Fallbacks a second, by reason.",
        "reqps",
        (Query(f"sum by (model, reason) (rate(lockgate_fallback_total{_OF}{_RATE}))", "{{model}} {{reason}}"),),
    ),
    Panel(
        "Latency of a call",
        "From assignment to answer, deadline and fallback included: what guardrails judge.",
        "s",
        _quantiles("lockgate_call_duration_seconds", "model", "{{model}}"),
    ),
    Panel(
        "Latency of a request",
        "From its headers to the last byte of the answer.",
        "s",
        _quantiles(
            "lockgate_request_duration_seconds", "route", "{{route}}", '{route=~"/predict.*|/invocations|/v2.*"}'
        ),
    ),
    Panel(
        "Refusals and errors",
        "Requests refused, by code, and those answered with 500, which are bugs of Lockgate's.",
        "reqps",
        (
            Query(f"sum by (code) (rate(lockgate_refusals_total{_RATE}))", "{{code}}"),
            Query(f'sum by (status) (rate(lockgate_http_requests_total{{status=~"5.."}}{_RATE}))', "HTTP {{status}}"),
        ),
    ),
)
_SATURATION = (
    Panel(
        "Queue",
        "Requests in hand, those of them that wait for a thread, and how many are let in before the next get 503.",
        "none",
        (
            Query("lockgate_calls_in_hand", "in hand"),
            Query("lockgate_calls_waiting", "waiting for a thread"),
            Query("lockgate_calls_in_hand_limit", "let in"),
        ),
    ),
    Panel(
        "CPU",
        "Cores in use; a worker has one to give.",
        "none",
        (
            Query(f"sum by (process) (rate(lockgate_process_cpu_seconds_total{_RATE}))", "{{process}}"),
            Query("lockgate_workers_up", "workers"),
        ),
    ),
    Panel(
        "Memory",
        "Resident, of all processes of a kind together, and of the child processes that hold a version.",
        "bytes",
        (
            Query("lockgate_process_resident_memory_bytes", "{{process}}"),
            Query(f"lockgate_model_process_resident_memory_bytes{_OF}", "{{model}} {{version}}"),
        ),
    ),
    Panel(
        "Log backlog",
        "Of the prediction log: bytes that wait to become tables.",
        "bytes",
        (Query("lockgate_log_backlog_bytes", "on the disk"),),
    ),
    Panel(
        "Log in memory, and lost",
        "Entries that wait for a disk that refuses, and those lost because it took too long.",
        "none",
        (
            Query("lockgate_log_spilled", "waiting in memory"),
            Query(f"increase(lockgate_log_dropped_total{_RATE})", "lost"),
        ),
    ),
    Panel(
        "Connections and processes",
        "Connections open, processes started, workers that left a version alone.",
        "none",
        (
            Query("lockgate_connections_open", "connections open"),
            Query(f"increase(lockgate_process_starts_total{_RATE})", "{{process}} started"),
            Query(f"sum by (model, version) (lockgate_breaker_open{_OF})", "breaker {{model}} {{version}}"),
        ),
    ),
)
_ROLLOUTS = (
    Panel(
        "Traffic by version",
        "As the routing has it.",
        "percentunit",
        (Query(f"lockgate_traffic_share{_OF}", "{{model}} {{version}} {{arm}}"),),
    ),
    Panel(
        "Evidence",
        "Power of ten of each gate's e-value at its last look. To be looked at: the verdict draws its own line.",
        "none",
        (Query(f"lockgate_evidence_log_e{_OF} / 2.302585", "{{model}} {{gate}}"),),
        is_from_zero=False,
    ),
    Panel(
        "Alpha spent",
        "Share of the alpha budget spent within its window.",
        "percentunit",
        (Query(f"lockgate_alpha_spent_ratio{_OF}", "{{model}}"),),
        red_at=0.9,
    ),
)
_MONITORING = (
    Panel(
        "Open alarms",
        "Lockgate's own, each with a cause and a next step: `lockgate alarms`.",
        "none",
        (Query(f"lockgate_alarms_open{_OF}", "{{model}} {{severity}}"),),
        red_at=1,
    ),
    Panel(
        "Skill and loss, by closed day",
        "Skill: share of the loss of the day's own mean outcome that the champion removes, 1 is perfect and 0 the base rate. "
        "Loss: the raw one, which a good season flatters.",
        "none",
        (Query(f"lockgate_skill_ratio{_OF}", "{{model}} skill"), Query(f"lockgate_loss_mean{_OF}", "{{model}} loss")),
        is_from_zero=False,
    ),
    Panel(
        "Drift",
        "The ten columns that lie furthest from the champion's reference: total variation over the monitor's window.",
        "percentunit",
        (Query(f"topk(10, lockgate_drift_distance_ratio{_OF})", "{{model}} {{column}}"),),
    ),
    Panel(
        "Outcome lag",
        "Median time from question to outcome.",
        "s",
        (Query(f"lockgate_outcome_lag_seconds{_OF}", "{{model}}"),),
    ),
    Panel(
        "Outcomes",
        "Outcomes a second, and calls past their horizon without one.",
        "none",
        (
            Query(f"sum by (model) (rate(lockgate_outcomes_total{_OF}{_RATE}))", "{{model}} a second"),
            Query(f"lockgate_outcomes_waiting{_OF}", "{{model}} overdue"),
        ),
    ),
    Panel(
        "Contract breaks",
        "A second, by column: flagged and answered, or refused.",
        "reqps",
        (
            Query(
                f"sum by (model, column, result) (rate(lockgate_contract_violations_total{_OF}{_RATE}))",
                "{{model}} {{column}} {{result}}",
            ),
        ),
    ),
)
_CONTROL = (
    Panel(
        "Since the loop turned",
        "Without it nobody judges; calls are answered by the last routing.",
        "s",
        (
            Query("time() - lockgate_loop_turned_timestamp_seconds", "last turn"),
            Query("lockgate_series_age_seconds", "{{process}} told its counts"),
        ),
        width=12,
        red_at=300,
    ),
    Panel(
        "Turns that failed",
        "Each is tried again.",
        "none",
        (Query(f"increase(lockgate_loop_failures_total{_RATE})", "failed"),),
        width=12,
    ),
)
ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    ("Now", _NOW),
    ("Calls", _CALLS),
    ("Saturation", _SATURATION),
    ("Rollouts", _ROLLOUTS),
    ("Monitoring", _MONITORING),
    ("Control", _CONTROL),
)
