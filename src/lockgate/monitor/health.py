"""How a model is doing: figures over the last day of event time, for pages and status."""

from __future__ import annotations

import math
import time
from collections import Counter

import msgspec
import numpy as np

from lockgate.monitor.fold import DAY_S, Fold
from lockgate.monitor.open_calls import Answered
from lockgate.records import Health

COMMONEST = 10
# Figures over many calls cost seconds: they are made so seldom that this share of a core goes into them at most, a
# twentieth for twenty models.
AT_MOST = 0.0025
# Wall time after which the same figures are written again, as seen now; and event time, for a model's clock is read here.
AGAIN_S, LAG_S = 5.0, 600.0


class HealthMaker:
    """One model's health, as the records should hold it: made anew, or, while that is dear, the last one seen again.

    Its `event_s` is the model's clock to every other process: it keeps up with the calls however dear the figures are, or a
    rollout that starts behind a batch of days would start days ago.
    """

    def __init__(self) -> None:
        self._last: Health | None = None
        self._due = 0.0
        self._is_behind = True
        self._written_s = self._event_s = -math.inf

    def note(self) -> None:
        """The fold has changed."""
        self._is_behind = True

    def due(self, fold: Fold, *, horizon_s: float, now_s: float) -> Health | None:
        """Of the fold's open calls, to be written; None while what was written last stands.

        horizon_s: seconds of event time; now_s: when they were seen.
        """
        began = time.monotonic()
        is_new = self._last is None or (self._is_behind and began >= self._due)
        if self._last is None or is_new:
            self._last = health(
                fold.model,
                fold.answered(),
                until_s=fold.watermark_s,
                horizon_s=horizon_s,
                unknown_outcomes=fold.unknown_outcomes,
                late_outcomes=fold.late_outcomes,
                now_s=now_s,
            )
            ended = time.monotonic()
            self._due = ended + (ended - began) * (1 / AT_MOST - 1)
            self._is_behind = False
        is_on_time = fold.watermark_s - self._event_s < LAG_S
        if not is_new and is_on_time and 0.0 <= now_s - self._written_s < AGAIN_S:
            return None
        self._written_s, self._event_s = now_s, fold.watermark_s
        return msgspec.structs.replace(self._last, seen_s=now_s, event_s=self._event_s)


def health(
    model: str,
    calls: Answered,
    *,
    until_s: float,
    horizon_s: float,
    unknown_outcomes: int,
    late_outcomes: int,
    now_s: float,
) -> Health:
    """calls: at least those of the last day before `until_s`, event time."""
    is_recent = calls.asked_s > until_s - DAY_S
    is_labelled = is_recent & calls.is_labelled
    lags = calls.told_s[is_labelled] - calls.asked_s[is_labelled]
    latencies = calls.latency_ms[is_recent]
    versions, flags = Counter[str](), Counter[str]()
    failures = not_taken = 0
    for way, count in Counter[int](calls.way[is_recent].tolist()).items():
        routed = calls.routed[way]
        versions[routed.version] += count
        failures += count * (routed.failure is not None)
        not_taken += count * (routed.failure == "contract")
        for flag in routed.flags:
            flags[flag] += count
    return Health(
        model=model,
        until_s=until_s,
        seen_s=now_s,
        calls=dict(versions),
        fallback_rate=failures / latencies.size if latencies.size else 0.0,
        p99_ms=float(np.quantile(latencies, 0.99)) if latencies.size else 0.0,
        outcome_lag_s=float(np.median(lags)) if lags.size else None,
        waiting=int((~calls.is_labelled & (calls.asked_s < until_s - horizon_s)).sum()),
        unknown_outcomes=unknown_outcomes,
        late_outcomes=late_outcomes,
        flags=dict(flags.most_common(COMMONEST)),
        not_taken=not_taken,
    )
