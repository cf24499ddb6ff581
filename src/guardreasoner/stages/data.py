"""From the recipe's sources to samples, split into training and development by prompt."""

from __future__ import annotations

from collections import Counter

from guardreasoner.data.labelled import dialogue_samples, is_dev, labelled_samples, normalised
from guardreasoner.recipe import DataSection, Recipe
from guardreasoner.run import RunFolder, write_records
from guardreasoner.types import Sample, Task


def run(recipe: Recipe, folder: RunFolder) -> None:
    """Writes samples.jsonl, dev.jsonl and data.json (counts per source and label)."""
    if folder.train.is_file() and folder.dev.is_file():
        return
    samples, repeated = without_repeats(collect(recipe.data))
    dev = [sample for sample in samples if is_dev(sample.exchange.prompt, recipe.data.dev_share)]
    train = [sample for sample in samples if not is_dev(sample.exchange.prompt, recipe.data.dev_share)]
    folder.note("data", {"train": counts(train), "dev": counts(dev), "repeated rows left out": repeated})
    write_records(folder.dev, dev)
    write_records(folder.train, train)


def collect(section: DataSection) -> list[Sample]:
    """All samples of the recipe, source by source."""
    samples: list[Sample] = []
    for source, rows in section.labelled.items():
        leave_out = section.leave_out_notes.get(source, ())
        samples += labelled_samples(section.folder, source, rows, section.seed, leave_out)
    if section.pairs:
        samples += dialogue_samples(section.folder, section.pairs, section.seed)
    if section.own:
        from guardreasoner.data.own import own_samples

        samples += own_samples(section.seed, section.own)
    return samples


def without_repeats(samples: list[Sample]) -> tuple[list[Sample], int]:
    """The first of each exchange, and how many repeats were left out."""
    first: dict[tuple[str, str | None], Sample] = {}
    for sample in samples:
        first.setdefault((normalised(sample.exchange.prompt), sample.exchange.response), sample)
    kept = list(first.values())
    return kept, len(samples) - len(kept)


def counts(samples: list[Sample]) -> dict[str, object]:
    """Rows per source, and per task how often each label stands."""
    return {
        "rows": len(samples),
        "sources": dict(Counter(sample.source for sample in samples)),
        **{task.value: dict(Counter(str(sample.labels.get(task)) for sample in samples)) for task in Task},
    }
