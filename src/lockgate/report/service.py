"""How the service does, in words: a line for `lockgate status`, figures for the page, and what is not well."""

from __future__ import annotations

from lockgate.records.service import Service

SATURATED = 0.8


def service_lines(found: Service | None) -> list[str]:
    """One line of figures, and a line for each thing that is not well; nothing where nobody serves."""
    if found is None:
        return []
    return ["service: " + ", ".join(f"{name} {said}" for name, said in figures(found)), *troubled(found)]


def figures(found: Service) -> list[tuple[str, str]]:
    """Each figure by its name."""
    latency = "no call" if found.median_ms is None else f"{milliseconds(found.median_ms)} median"
    if found.p95_ms is not None and found.p99_ms is not None:
        latency += f", {milliseconds(found.p95_ms)} p95, {milliseconds(found.p99_ms)} p99"
    return [
        ("workers", f"{found.workers} of {max(found.workers_wanted, found.workers)}"),
        ("calls", f"{found.calls_per_s:,.1f}/s"),
        ("latency", latency),
        ("errors", f"{found.errors_per_s:,.2f}/s"),
        ("refused", f"{found.refusals_per_s:,.2f}/s"),
        ("CPU", f"{found.cpu:.2f} of {found.workers} cores"),
        ("queue", f"{found.in_hand} in hand of {found.limit}, {found.waiting} waiting"),
        ("memory", bytes_(found.memory_bytes)),
        ("log backlog", bytes_(found.backlog_bytes)),
    ]


def troubled(found: Service) -> list[str]:
    """What a person should see to, a sentence each."""
    lost = f"{found.lost:,} entries of the prediction log were lost since counting began: the disk took nothing for too long."
    said = (
        (found.workers < found.workers_wanted, f"Only {found.workers} of {found.workers_wanted} workers live."),
        (
            found.saturation >= SATURATED,
            f"The workers give {found.saturation:.0%} of what they can: more of them, or fewer calls.",
        ),
        (found.errors_per_s > 0, "Requests are answered with 5xx, which are bugs of Lockgate's: its log says where."),
        (found.spilled > 0, f"{found.spilled:,} entries of the prediction log wait in memory for the disk."),
        (found.lost > 0, lost),
    )
    return [sentence for is_so, sentence in said if is_so]


def milliseconds(value: float) -> str:
    return f"{value:.1f} ms" if value >= 0.1 else "<0.1 ms"


def bytes_(value: float) -> str:
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.0f} bytes"
