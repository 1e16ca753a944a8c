"""Metrics: what a prediction and its outcome are worth, each with a direction and a range or a cap."""

from lockgate.metrics.losses import LOSSES, Loss, cost, decided, loss
from lockgate.metrics.propose import propose
from lockgate.metrics.summaries import SUMMARIES, SummaryMetric, brier, roc_auc, skill, top_chance

__all__ = [
    "LOSSES",
    "SUMMARIES",
    "Loss",
    "SummaryMetric",
    "brier",
    "cost",
    "decided",
    "loss",
    "propose",
    "roc_auc",
    "skill",
    "top_chance",
]
