"""Judgements become verdicts: named, dated, written once."""

from __future__ import annotations

import hashlib

from lockgate.decide.judgement import Judgement
from lockgate.records import Verdict


def verdict(
    judgement: Judgement, *, model: str, subject: tuple[str, ...], rollout: str | None, at_s: float, now_s: float
) -> Verdict:
    """The verdict of a judgement. Its id follows from what was judged and how it came out, not from when it was written:
    the same evidence judged again after a crash is the same verdict.
    """
    gate = judgement.gate
    seen = judgement.evidence
    named = "\x1f".join((model, rollout or "", *subject, gate.name, judgement.ruling, f"{at_s:.0f}", str(seen.n)))
    return Verdict(
        id=f"v{hashlib.blake2b(named.encode(), digest_size=4).hexdigest()}",
        model=model,
        ruling=judgement.ruling,
        gate=gate,
        evidence=seen,
        subject=subject,
        sentence=judgement.sentence,
        at_s=at_s,
        written_s=now_s,
        rollout=rollout,
    )
