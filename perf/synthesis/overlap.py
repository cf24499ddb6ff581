"""Time and memory of looking for benchmark prompts: `python perf/synthesis/overlap.py [ROWS]`, one core.

Made prompts: words drawn by Zipf's law from a made vocabulary, lengths log-normal with a long tail; one in fifty is a
benchmark prompt with an eighth of its words changed.
"""

from __future__ import annotations

import itertools
import random
import resource
import sys
import time

from guardreasoner.data.benchmarks import BenchmarkPrompt
from guardreasoner.data.overlap import Overlap

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 127_544  # as GuardReasonerTrain has
PROMPTS = 13_000

rng = random.Random(0)
syllables = [consonant + vowel for consonant in "bcdfghjklmnprstvw" for vowel in "aeiou"]
vocabulary = list(dict.fromkeys("".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(9000)))
zipf = list(itertools.accumulate(1 / (rank + 3) for rank in range(len(vocabulary))))


def text(median: float, spread: float, least: int, most: int) -> str:
    """Words whose number is log-normal."""
    count = min(most, max(least, int(median * rng.lognormvariate(0, spread))))
    return " ".join(rng.choices(vocabulary, cum_weights=zipf, k=count))


def changed(prompt: str) -> str:
    """With an eighth of its words, one at least, replaced."""
    words = prompt.split()
    for _ in range(max(1, len(words) // 8)):
        words[rng.randrange(len(words))] = rng.choice(vocabulary)
    return " ".join(words)


def peak() -> float:
    """MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


benchmark = [text(16.4, 0.7, 4, 200) for _ in range(PROMPTS)]
began, before = time.process_time(), peak()
overlap = Overlap(BenchmarkPrompt("made", row, prompt) for row, prompt in enumerate(benchmark))
built = time.process_time() - began
spent, found, characters = 0.0, 0, 0
for row in range(ROWS):
    prompt = changed(rng.choice(benchmark)) if row % 50 == 0 else text(27.1, 1.2, 3, 1000)
    characters += len(prompt)
    began = time.process_time()
    found += overlap.find(prompt) is not None
    spent += time.process_time() - began
sys.stdout.write(
    f"{ROWS:,} prompts of {characters / ROWS:.0f} characters against {len(overlap):,}: index {built:.1f} s, "
    f"search {spent:.1f} s of CPU, {found:,} found; peak memory {before:.0f} MiB before, {peak():.0f} MiB after\n"
)
