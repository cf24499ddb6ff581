"""How long scoring stored predictions with every interval takes, beside a loop that resamples and asks scikit-learn.

    python perf/evaluation/measure.py [--rows 100000] [--resamples 1000] [--loop 20]

Ours is the whole way from a file of predictions to the figures of its cell. The rival gets the labels and scores as
arrays, resamples `--loop` times, and its time is taken times resamples / loop. Seconds are CPU time of one thread.
"""

# ruff: noqa: T201
from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, confusion_matrix, roc_curve

from guardreasoner.metrics import RATES, score
from guardreasoner.report.judged import Judged, predictions_of
from guardreasoner.run import read_records, write_records
from guardreasoner.types import Labels, Scores, Task

TASK = Task.PROMPT_HARMFULNESS


def made(rows: int) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Gold and scores of a guard that knows something: 30 % positives, AUPRC 0.58."""
    rng = np.random.default_rng(0)
    gold = rng.random(rows) < 0.3
    return gold, np.clip(rng.normal(0.4 + 0.2 * gold, 0.2), 0, 1)


def store(path: Path, gold: NDArray[np.bool_], scores: NDArray[np.float64]) -> None:
    """The file that `guardreasoner evaluate` keeps."""
    words = ("unharmful", "harmful")
    write_records(
        path,
        (
            Judged(
                id=str(number),
                source="made",
                digest="0" * 16,
                gold=Labels(prompt_harmfulness=words[int(positive)]),
                labels=Labels(prompt_harmfulness=words[int(value >= 0.5)]),
                scores=Scores(prompt_harmfulness=value),
                seconds=0.001,
            )
            for number, (positive, value) in enumerate(zip(gold.tolist(), scores.tolist(), strict=True))
        ),
    )


def seconds(call: Callable[[], object]) -> float:
    """Of CPU time."""
    started = time.process_time()
    call()
    return time.process_time() - started


def loop(gold: NDArray[np.bool_], scores: NDArray[np.float64], resamples: int) -> NDArray[np.float64]:
    """F1, average precision and two recalls per draw; shape [resamples, 4]."""
    rng = np.random.default_rng(0)
    found: list[list[float]] = []
    for _ in range(resamples):
        index = rng.integers(0, len(gold), len(gold))
        drawn, values = gold[index], scores[index]
        _, fp, fn, tp = confusion_matrix(drawn, values >= 0.5).ravel()
        fprs, tprs, _ = roc_curve(drawn, values, drop_intermediate=False)
        rates = [float(tprs[fprs <= rate].max()) for rate in RATES]
        found.append([2 * tp / (2 * tp + fp + fn), float(average_precision_score(drawn, values)), *rates])
    return np.array(found)


def main() -> None:
    """Print both times, and both intervals, which must agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--loop", type=int, default=20)
    given = parser.parse_args()
    gold, scores = made(given.rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.fast.jsonl"
        store(path, gold, scores)
        rows: list[Judged] = []
        reading = seconds(lambda: rows.extend(read_records(path, Judged)))
    predictions = predictions_of(rows, TASK)
    found = []
    scoring = seconds(lambda: found.append(score(predictions, TASK, resamples=given.resamples)))
    drawn = []
    rival = seconds(lambda: drawn.append(loop(gold, scores, given.loop))) * given.resamples / given.loop
    print(f"{given.rows:,} rows, {given.resamples:,} resamples")
    print(f"guardreasoner  read {reading:.2f} s, score {scoring:.2f} s")
    print(f"scikit-learn   score {rival:.1f} s, from {given.loop} of {given.resamples:,} resamples")
    print(f"ratio          {scoring / rival:.4f} of the loop's time, {rival / scoring:.0f} times as fast")
    bounds = [getattr(found[0], f"{name}_interval") for name in ("f1", "auprc", "tpr_at_1_fpr", "tpr_at_5_fpr")]
    for name, ours, theirs in zip(("F1", "AUPRC", "TPR@1", "TPR@5"), bounds, drawn[0].T, strict=True):
        width, spread = (ours.high - ours.low) / 3.92, theirs.std(ddof=1)
        print(f"{name:6} standard error {width:.5f}, of the loop's draws {spread:.5f}")


if __name__ == "__main__":
    main()
