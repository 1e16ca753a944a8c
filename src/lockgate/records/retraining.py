"""A retraining: why a model was trained again, on which stretch of its outcomes, and what came of it."""

from __future__ import annotations

from enum import StrEnum

from lockgate.records.dataset import DatasetRef
from lockgate.records.record import Record


class RetrainingState(StrEnum):
    """asked: written down, not begun. made: a version came of it that may start a rollout; refused: one that failed its
    gate; failed: none came of it; cut off: its process died, and so did the one that took it up once more.
    """

    ASKED = "asked"
    RUNNING = "running"
    MADE = "made"
    REFUSED = "refused"
    FAILED = "failed"
    CUT_OFF = "cut off"


UNDER_WAY = (RetrainingState.ASKED, RetrainingState.RUNNING)


class WindowTried(Record, frozen=True, kw_only=True):
    """One stretch of the outcomes, trained on up to `cut_s` and judged on the calls asked in [cut_s, until_s), which are
    the same for every window.

    since_s: the first moment taken, None for all there is. rows: trained on. loss: mean per judged row. estimate, low, high:
    its loss minus that of the default window, negative is better; p: that it is no better, one-sided, as adjusted by Holm.
    All None where it was not tried, and `left_out` says why.
    """

    name: str
    since_s: float | None = None
    cut_s: float | None = None
    until_s: float | None = None
    rows: int = 0
    loss: float | None = None
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    left_out: str = ""


class Retraining(Record, frozen=True, kw_only=True):
    """The state of one retraining; replaced as it goes on. Its evidence stands in the ledger: `verdicts` names it.

    causes: the words of `retrain.when` that asked for it, or "by hand"; verdict: the degradation's. attempt: 2 where its
    process died once. started_s, ended_s: event time; written_s: wall time of the start. rows: new ones that came from the
    log. window: the stretch that the version was trained on. cpu_s: processor time of the whole. again_s: event time at which
    the rollout of its version, whose plan was refused, is asked for again; None where it is not. sentence: how it stands.
    """

    id: str
    model: str
    causes: tuple[str, ...]
    state: RetrainingState
    by: str
    started_s: float
    written_s: float
    sentence: str
    verdict: str | None = None
    attempt: int = 1
    ended_s: float | None = None
    dataset: DatasetRef | None = None
    rows: int = 0
    window: str | None = None
    windows: tuple[WindowTried, ...] = ()
    version: str | None = None
    verdicts: tuple[str, ...] = ()
    cpu_s: float | None = None
    again_s: float | None = None
    schema: int = 1

    @property
    def is_under_way(self) -> bool:
        return self.state in UNDER_WAY
