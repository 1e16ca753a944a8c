"""Evidence, counted: blocks of time for worth, cells of calls for harm. Times are event time, seconds since 1970, UTC."""

from __future__ import annotations

from lockgate.records.record import Record


class Cell(Record, frozen=True, kw_only=True):
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


class Block(Record, frozen=True, kw_only=True):
    """One block [start_s, end_s) of a model's matured calls, as the champion did on them.

    calls: asked in the block; scored: those that the champion gave a value for and whose outcome is known, over which the
    sums run. loss: of the champion; base_loss: of the block's own mean outcome. failures: of the assigned versions.
    """

    model: str
    start_s: float
    end_s: float
    champion: str
    calls: int
    labelled: int
    scored: int
    loss: float
    base_loss: float
    outcome_sum: float
    failures: int
    schema: int = 1


class PairBlock(Record, frozen=True, kw_only=True):
    """One block of the calls that both arms of a rollout scored: live, or replayed over the log.

    scored: pairs whose outcome is known, over which the losses are summed, in canonical order. cells: the block's calls by
    share. closed_s: wall time at which it was closed: outcomes received later are no part of it.
    """

    model: str
    rollout: str
    start_s: float
    end_s: float
    champion: str
    challenger: str
    scored: int
    champion_loss: float
    challenger_loss: float
    cells: tuple[Cell, ...]
    is_replayed: bool = False
    closed_s: float | None = None
    schema: int = 1

    @property
    def difference(self) -> float:
        """Challenger's mean loss minus the champion's: positive is worse."""
        return (self.challenger_loss - self.champion_loss) / self.scored
