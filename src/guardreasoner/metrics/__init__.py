"""From gold and predicted labels, and from scores, to figures that say how sure they are. Pure: numpy alone."""

from guardreasoner.metrics.calibration import Bin, ece, reliability
from guardreasoner.metrics.counts import (
    RESAMPLES,
    Counts,
    Interval,
    Prediction,
    Protocol,
    Score,
    bootstrap,
    interval,
    outcomes,
    score,
    total,
    weighted_mean,
)
from guardreasoner.metrics.curves import Curve, auprc, precision_recall, tpr_at_fpr
from guardreasoner.metrics.paired import McNemar, PairedDifference, holm, mcnemar, paired_bootstrap, paired_difference

__all__ = [
    "RESAMPLES",
    "Bin",
    "Counts",
    "Curve",
    "Interval",
    "McNemar",
    "PairedDifference",
    "Prediction",
    "Protocol",
    "Score",
    "auprc",
    "bootstrap",
    "ece",
    "holm",
    "interval",
    "mcnemar",
    "outcomes",
    "paired_bootstrap",
    "paired_difference",
    "precision_recall",
    "reliability",
    "score",
    "total",
    "tpr_at_fpr",
    "weighted_mean",
]
