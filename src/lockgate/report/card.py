"""The model card of a version: what it is for, how it was made, what was measured, and what nobody has looked at."""

from __future__ import annotations

from collections.abc import Sequence

from lockgate.records import Contract, Verdict, Version
from lockgate.report.words import when


def card(version: Version, contract: Contract, verdicts: Sequence[Verdict]) -> str:
    """Markdown. verdicts: of the offline gate."""
    made = version.lineage
    metrics = "\n".join(f"| {name} | {value:.4f} |" for name, value in sorted(version.metrics.items()))
    gates = "\n".join(f"- **{v.ruling}** of {v.gate.name} ({v.gate.method}): {v.sentence}" for v in verdicts)
    compiled = version.parity.reason if version.parity else "It has no compiled path, and needs none."
    return f"""# {version.short}

A {version.role} of **{version.model}**: predicts `{contract.target}` from {len(contract.asked)} columns.

## Made

{when(version.made_s)}, from {made.rows:,} rows of `{made.dataset}`, known before {_until(made.trained_until_s)}.
Train function `{made.train}`, features `{made.features}` (`{made.features_hash[:12]}`), seed {made.seed},
commit {made.commit or "none"}, environment `{made.environment[:12]}`, run {made.run or "none"}.

## Measured on held-out rows

| metric | value |
|---|---|
{metrics}

## Judged

{gates or "Not yet: no gate has been asked."}

{compiled}

## Not looked at

Slices, fairness between groups, and rows outside the ranges of its training table.
"""


def _until(seconds: float | None) -> str:
    return when(seconds) if seconds is not None else "now"
