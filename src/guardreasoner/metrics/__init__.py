"""From gold and predicted labels, and from scores, to figures that say how sure they are. Pure: numpy alone."""

from guardreasoner.metrics.calibration import Bin, ece, reliability
from guardreasoner.metrics.counts import (
    RESAMPLES,
    Counts,
    Interval,
    Prediction,
    Protocol,
    bootstrap,
    bootstrap_kinds,
    interval,
    outcomes,
    total,
    weighted_mean,
)
from guardreasoner.metrics.curves import Curve, auprc, precision_recall, tpr_at_fpr
from guardreasoner.metrics.paired import McNemar, PairedDifference, holm, mcnemar, paired_bootstrap, paired_difference
from guardreasoner.metrics.resampling import CurveSamples, bootstrap_curves
from guardreasoner.metrics.scoring import RATES, Score, f1_samples, graded, ranked, score

__all__ = [
    "RATES",
    "RESAMPLES",
    "Bin",
    "Counts",
    "Curve",
    "CurveSamples",
    "Interval",
    "McNemar",
    "PairedDifference",
    "Prediction",
    "Protocol",
    "Score",
    "auprc",
    "bootstrap",
    "bootstrap_curves",
    "bootstrap_kinds",
    "ece",
    "f1_samples",
    "graded",
    "holm",
    "interval",
    "mcnemar",
    "outcomes",
    "paired_bootstrap",
    "paired_difference",
    "precision_recall",
    "ranked",
    "reliability",
    "score",
    "total",
    "tpr_at_fpr",
    "weighted_mean",
]
