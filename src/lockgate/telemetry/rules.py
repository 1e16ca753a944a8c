"""Alert rules for Prometheus over the series of `families`: one list, written out by `lockgate export grafana`.

The thresholds are a beginning: what callers put up with differs. A rollout needs none of them to be safe, for its guardrails
stop it by themselves; these wake people for what is left.
"""

from __future__ import annotations

import json
from typing import Literal, NamedTuple


class Rule(NamedTuple):
    """summary, following: Prometheus's own templates; following is what to do next. lasting: how long before it fires."""

    name: str
    query: str
    severity: Literal["page", "ticket"]
    summary: str
    lasting: str = ""
    following: str = ""


RULES = (
    Rule(
        "LockgateNotScraped",
        "absent(lockgate_workers_up) or lockgate_workers_ready == 0",
        "page",
        "No worker is ready.",
        lasting="1m",
        following="`lockgate serve` may have stopped; /readyz and the last lines of its log say why.",
    ),
    Rule(
        "LockgateWorkersMissing",
        "lockgate_workers_up < lockgate_workers_wanted",
        "ticket",
        "{{ $value }} workers live, fewer than there should be.",
        lasting="2m",
    ),
    Rule(
        "LockgateWorkersDying",
        'increase(lockgate_process_starts_total{process="worker"}[15m]) > 4',
        "page",
        'Workers started {{ printf "%.0f" $value }} times in a quarter of an hour.',
        following="The supervisor's log says how each ended; -9 is most often the out-of-memory killer.",
    ),
    Rule(
        "LockgateModelDying",
        "sum by (model, version) (increase(lockgate_model_process_starts_total[15m])) > 4",
        "ticket",
        "{{ $labels.model }}'s version {{ $labels.version }} hangs, dies or outgrows its memory, again and again.",
        following="lockgate_fallback_total says who noticed; the model's own lines are in the server's log.",
    ),
    Rule(
        "LockgateBreakerOpen",
        "lockgate_breaker_open > 0",
        "page",
        "{{ $value }} workers have left {{ $labels.model }}'s version {{ $labels.version }} alone for a minute.",
        lasting="1m",
    ),
    Rule(
        "LockgateWorkerHangs",
        'lockgate_series_age_seconds{process="worker"} > 10',
        "ticket",
        'A worker has told nothing for {{ printf "%.0f" $value }} s: it hangs, or its disk refuses.',
        lasting="1m",
    ),
    Rule(
        "LockgateFallbackRate",
        """\
sum by (model) (rate(lockgate_requests_total{result="fallback"}[10m]))
  / sum by (model) (rate(lockgate_requests_total[10m])) > 0.02""",
        "page",
        "{{ $value | humanizePercentage }} of {{ $labels.model }}'s calls are answered by a fallback.",
        lasting="5m",
        following="lockgate_fallback_total says why, by reason; `lockgate status` and /readyz say more.",
    ),
    Rule(
        "LockgateSlow",
        """\
histogram_quantile(0.99, sum by (model, le) (
  rate(lockgate_request_duration_seconds_bucket{route="/predict/{model}"}[10m]))) > 0.25""",
        "ticket",
        "The slowest hundredth of {{ $labels.model }}'s requests takes over {{ $value | humanizeDuration }}.",
        lasting="10m",
    ),
    Rule(
        "LockgateBusy",
        'sum(rate(lockgate_refusals_total{code="busy"}[5m])) > 0',
        "ticket",
        '{{ printf "%.1f" $value }} requests a second are sent away with 503: more workers, or fewer calls.',
        lasting="5m",
    ),
    Rule(
        "LockgateServerErrors",
        'sum(increase(lockgate_http_requests_total{status="500"}[15m])) > 0',
        "ticket",
        "A request was answered with 500, which is always a bug of Lockgate's.",
        following="The log of that time has it, with its request's id.",
    ),
    Rule(
        "LockgateContractBroken",
        """\
sum by (model, column) (rate(lockgate_contract_violations_total[30m]))
  > on (model) group_left () 0.05 * sum by (model) (rate(lockgate_requests_total[30m]))""",
        "ticket",
        "{{ $labels.column }} breaks {{ $labels.model }}'s contract on more than a twentieth of its calls.",
        lasting="15m",
    ),
    Rule(
        "LockgatePredictionsLost",
        "increase(lockgate_log_dropped_total[15m]) > 0",
        "page",
        '{{ printf "%.0f" $value }} entries of the prediction log were lost: the disk took nothing for too long.',
    ),
    Rule(
        "LockgateLogWaits",
        "lockgate_log_spilled > 0",
        "ticket",
        "{{ $value }} entries of the prediction log wait in memory for the disk.",
        lasting="5m",
    ),
    Rule(
        "LockgateLoopStands",
        "absent(lockgate_loop_turned_timestamp_seconds) or time() - lockgate_loop_turned_timestamp_seconds > 300",
        "page",
        "Nobody judges: the loop has not turned for five minutes. Calls are answered by the last routing.",
        lasting="2m",
    ),
    Rule(
        "LockgateProblems",
        "lockgate_problems > 0",
        "ticket",
        "/readyz tells {{ $value }} problems in words.",
        lasting="10m",
    ),
    Rule(
        "LockgateAlarm",
        'lockgate_alarms_open{severity="page"} > 0',
        "page",
        "{{ $labels.model }}'s champion has an alarm of Lockgate's own.",
        following="`lockgate status` names it, and what to do.",
    ),
    Rule(
        "LockgateOutcomesMissing",
        "lockgate_outcomes_waiting > 1000",
        "ticket",
        "{{ $value }} calls of {{ $labels.model }} are past their horizon without an outcome.",
        lasting="1h",
    ),
    Rule(
        "LockgateAlphaNearlySpent",
        "lockgate_alpha_spent_ratio > 0.9",
        "ticket",
        "{{ $value | humanizePercentage }} of {{ $labels.model }}'s alpha budget is spent: the next rollout may be refused.",
    ),
    Rule(
        "LockgateTicket",
        'lockgate_alarms_open{severity="ticket"} > 0',
        "ticket",
        "{{ $labels.model }} has {{ $value }} alarms of Lockgate's own that wait for the day.",
        following="`lockgate alarms` names them, and what to do.",
    ),
    Rule(
        "LockgateSaturated",
        "lockgate_calls_in_hand > 0.8 * lockgate_calls_in_hand_limit",
        "ticket",
        "{{ $value }} requests are in hand, over four fifths of what is let in: the next are sent away with 503.",
        lasting="2m",
        following="More workers, fewer calls, or a model that answers sooner.",
    ),
    Rule(
        "LockgateWorkersBusy",
        'sum(rate(lockgate_process_cpu_seconds_total{process="worker"}[5m])) > 0.9 * lockgate_workers_up',
        "ticket",
        'The workers compute for {{ printf "%.2f" $value }} of each second, all together: each has one core to give.',
        lasting="10m",
    ),
    Rule(
        "LockgateLogBehind",
        "lockgate_log_backlog_bytes > 1e9",
        "ticket",
        "{{ $value | humanize1024 }}B of the prediction log wait to become tables.",
        lasting="15m",
        following="The control process does it: is it there, and has it room on the disk?",
    ),
)
_HEAD = """\
# Alerts over Lockgate's series, written by `lockgate export grafana`. The thresholds are a beginning: set them to what your
# callers put up with. A rollout needs none of them to be safe: its guardrails stop it by themselves. These wake people for
# what is left.
groups:
  - name: lockgate
    rules:
"""


def rules_file() -> str:
    """All rules as a YAML file that Prometheus loads."""
    return _HEAD + "\n".join(_written(rule) for rule in RULES)


def _written(rule: Rule) -> str:
    lines = [
        f"      - alert: {rule.name}",
        "        expr: |",
        *(f"          {line}" for line in rule.query.splitlines()),
    ]
    lines += [f"        for: {rule.lasting}"] if rule.lasting else []
    lines += [f"        labels: {{severity: {rule.severity}}}", "        annotations:"]
    # A JSON string is a YAML string, whatever stands in it.
    lines += [f"          summary: {json.dumps(rule.summary)}"]
    lines += [f"          next: {json.dumps(rule.following)}"] if rule.following else []
    return "\n".join(lines) + "\n"
