"""The door to a judge: `lockgate.Judge`, with the machine's clock for calls that carry no time of their own."""

from __future__ import annotations

import time

from lockgate.decide.judge.judge import Judge as DecideJudge
from lockgate.records.judge_state import JudgeState
from lockgate.records.policy import Policy
from lockgate.records.record import decode


class Judge(DecideJudge):
    """The running evidence on two arms under one policy.

    >>> judge = Judge(Policy(kind="rate", alpha=0.01))
    >>> judge.observe(arm=1, value=1.0, canary_share=0.05, unit="u7")  # None, or a Verdict
    """

    def __init__(self, policy: Policy, *, model: str = "-") -> None:
        super().__init__(policy, model=model, clock=time.time)

    @classmethod
    def resume(cls, state: str | bytes) -> Judge:
        """A judge that goes on where `state()` was written, to the same bits.

        Raises StoreError where the text is damaged, SpecError where another engine wrote it.
        """
        held = decode(JudgeState, state)
        judge = cls(held.policy, model=held.model)
        judge.load(state)
        return judge
