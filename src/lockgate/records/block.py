"""Evidence, counted: blocks of time for worth, cells of calls for harm."""

from __future__ import annotations

from lockgate.records.record import Record


class Block(Record):
    """One block of time (a day, say) of one model's matured calls.

    start_s, end_s: event time, [start, end). calls: asked in the block; labelled: those with an outcome. loss: sum of the
    served champion-side losses; base_loss: sum of the losses of the block's own base rate (or mean). pairs: calls both
    arms scored and an outcome is known for; champion_loss, challenger_loss: sums over those pairs.
    """

    model: str
    start_s: float
    end_s: float
    calls: int
    labelled: int
    champion: str
    loss: float
    base_loss: float
    target_sum: float
    rollout: str | None = None
    challenger: str | None = None
    pairs: int = 0
    champion_loss: float = 0.0
    challenger_loss: float = 0.0
    closed_s: float = 0.0
    schema: int = 1


class Cell(Record):
    """Exact counts of calls that were routed under one share; they merge in any order.

    Every pair is (champion, challenger). calls, failures: by the arm as assigned. pairs: calls both versions scored;
    failed_only, broke_only: of those the discordant ones, where one version alone failed or broke its contract.
    bad: pairs in which the challenger failed or broke its contract.
    """

    share: float
    calls: tuple[int, int] = (0, 0)
    failures: tuple[int, int] = (0, 0)
    pairs: int = 0
    failed_only: tuple[int, int] = (0, 0)
    broke_only: tuple[int, int] = (0, 0)
    bad: int = 0

    def __add__(self, other: Cell) -> Cell:
        return Cell(
            share=self.share,
            calls=_sum(self.calls, other.calls),
            failures=_sum(self.failures, other.failures),
            pairs=self.pairs + other.pairs,
            failed_only=_sum(self.failed_only, other.failed_only),
            broke_only=_sum(self.broke_only, other.broke_only),
            bad=self.bad + other.bad,
        )


def _sum(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    return a[0] + b[0], a[1] + b[1]
