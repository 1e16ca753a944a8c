"""Metrics: what a prediction and its outcome are worth, each with a direction and a range or a cap."""

from lockgate.metrics.losses import LOSSES, Loss, loss
from lockgate.metrics.summaries import SUMMARIES, SummaryMetric, brier, roc_auc, skill

__all__ = ["LOSSES", "SUMMARIES", "Loss", "SummaryMetric", "brier", "loss", "roc_auc", "skill"]
