"""How far a rollout's guardrails have folded its calls, so that a restart goes on to the same bits."""

from __future__ import annotations

from lockgate.records.record import Record


class HarmState(Record, frozen=True, kw_only=True):
    """judges: each guardrail's judge, as it keeps itself; ratio: the one that shows the step safe. pairs, broke: pairs
    seen, and those where one version alone broke its contract, champion first. step, at_step: the step that is being shown
    safe, its calls and those that were bad. after_s, after_id: the last call folded, in canonical order. late: ids of calls
    that came behind it, and with ":shadow" of calls whose shadow did; neither counts as evidence any more. strays: calls
    left out because their unit had gone back to the champion.
    """

    rollout: str
    model: str
    judges: dict[str, str]
    ratio: str
    pairs: int
    broke: tuple[int, int]
    step: str
    at_step: tuple[int, int]
    after_s: float | None
    after_id: str
    late: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()
    schema: int = 1
