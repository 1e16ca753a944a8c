"""What an A/B says of one challenger: a ruling, its evidence, and a sentence for a person."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from lockgate.decide.ab import SAMPLE_RATIO, gate_name
from lockgate.decide.ab_result import Compared, Ratio, spec_of
from lockgate.decide.judgement import Judgement
from lockgate.records import Claim, Evidence, Gate, Rollout, Ruling
from lockgate.stats.mismatch import VOID_AT

METHOD = "right-Haar mixture on unit means"


def of_units(rollout: Rollout, row: Compared, ruling: Ruling, until_s: float) -> Judgement:
    """By matured units: better, harmful, or undecided so far. A guardrail is harmful or says nothing."""
    spec = spec_of(rollout)
    claim: Claim = "harmful" if ruling is Ruling.FAIL or not row.is_primary else "better"
    gate = Gate(
        name=gate_name(row.metric, row.version, is_guardrail=not row.is_primary),
        question="worth" if row.is_primary else "harm",
        claim=claim,
        measure=row.metric,
        method=METHOD + (", adjusted" if spec.covariate is not None else ""),
        margin=0.0,
        alpha=row.alpha,
        guarantee="calibrated",
    )
    evidence = Evidence(
        estimate=row.estimate,
        low=row.low,
        high=row.high,
        log_e=row.log_e,
        n=row.units,
        until_s=until_s,
        horizon_s=spec.matured_s,
        forecast=None if row.times is None else row.times * sum(row.units),
        detail={
            "champion_mean": row.means[0],
            "challenger_mean": row.means[1],
            "is_down": float(row.direction == "down"),
            "line": math.log(1 / row.alpha),
        },
    )
    return Judgement(ruling=ruling, gate=gate, evidence=evidence, sentence=sentence(rollout, row, ruling, until_s))


def void(rollout: Rollout, found: Ratio, until_s: float) -> list[Judgement]:
    """Once the units did not come as their lots say, nothing of the A/B says anything: one for the ratio, one an arm."""
    said = void_sentence(found)
    evidence = Evidence(log_e=found.log_e, n=found.units, until_s=until_s, detail={"astray": float(found.astray)})
    named = [SAMPLE_RATIO, *(gate_name(spec_of(rollout).metric or "", arm.version) for arm in rollout.live)]
    return [
        Judgement(
            ruling=Ruling.VOID,
            gate=Gate(
                name=name,
                question="harm" if name == SAMPLE_RATIO else "worth",
                claim="harmful" if name == SAMPLE_RATIO else "better",
                measure=SAMPLE_RATIO,
                method="Dirichlet-multinomial",
                margin=0.0,
                alpha=1 / VOID_AT,
                guarantee="exact",
            ),
            evidence=evidence,
            sentence=said,
        )
        for name in named
    ]


def void_sentence(found: Ratio) -> str:
    """What went wrong with the units, in words."""
    if found.astray:
        units = "1 unit was" if found.astray == 1 else f"{found.astray:,} units were"
        what = f"{units} answered by another version than their lot says"
    else:
        came = ", ".join(
            f"{version[:6]} {n:,} of {foretold:,.0f} foretold"
            for version, n, foretold in zip(found.versions, found.units, found.foretold, strict=True)
        )
        what = f"the units did not come as the shares said: {came}"
    return f"A routing bug: {what}. Something sends or loses units by arm, so this A/B says nothing; mend it and begin anew."


def sentence(rollout: Rollout, row: Compared, ruling: Ruling, until_s: float) -> str:
    """What a manager reads: so far, on these units, at this strength."""
    spec = spec_of(rollout)
    name = row.version[:6]
    verdict = {Ruling.PASS: f"is better by {row.metric}", Ruling.FAIL: f"is worse by {row.metric}"}.get(
        ruling, f"is told neither better nor worse by {row.metric}"
    )
    means = f"{_figure(row.means[1])} a unit against {_figure(row.means[0])}"
    gap = "no difference known yet" if row.estimate is None else f"{row.estimate:+.3g} {_between(row)}"
    units = f"{row.units[1]:,} and {row.units[0]:,} units that had matured by {_minute(until_s)}"
    shared = spec.alpha
    rate = f"the chance that this A/B ever calls an arm so wrongly is {shared:.2g} at most, calibrated"
    return f"So far {name} {verdict}: {means}, {gap}, over {units}; {rate}."


def _between(row: Compared) -> str:
    if row.low is None or row.high is None:
        return "[no limits yet]"
    return f"[{row.low:+.3g}, {row.high:+.3g}]"


def _figure(value: float) -> str:
    return f"{value:.4g}"


def _minute(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
