"""From the figures of mine.json to mine.md and to one line per model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from guardreasoner.mining.tally import DIFFICULTIES, TEXTS

Figures = Mapping[str, Any]


def sentences(figures: Figures) -> Iterator[str]:
    """For the terminal."""
    left_out = "".join(f", {count:,} left out: {why}" for why, count in figures["left out"].items())
    yield f"inputs: {figures['inputs']:,}{left_out}"
    for name, model in figures["models"].items():
        yield f"{name}: " + ", ".join(f"{model['inputs'][kind]:,} {kind}" for kind in DIFFICULTIES)
    pairs = figures["pairs"]
    of = ", ".join(f"{count:,} of {model}" for model, count in pairs["by model"].items())
    yield f"pairs: {pairs['pairs']:,}" + (f" ({of})" if of else "")


def markdown(figures: Figures) -> str:
    """The same figures for a reader."""
    return "\n".join(_lines(figures)) + "\n"


def _lines(figures: Figures) -> Iterator[str]:
    rules, models, pairs = figures["rules"], figures["models"], figures["pairs"]
    yield "# Mining\n"
    yield (
        f"{figures['inputs']:,} inputs, {rules['completions']} answers of each model to each, at temperature "
        f"{rules['temperature']}, top_p {rules['top_p']}, at most {rules['max_tokens']:,} tokens.\n"
    )
    yield from (f"- left out, {why}: {count:,}" for why, count in figures["left out"].items())
    yield (
        "\nEasy: all readable answers are right. Hard: some are right, some wrong. Hopeless: else. Unreadable: no "
        "answer could be read. Not asked: the input does not fit the model, or its server withheld the answer.\n"
    )
    yield from _table(("model", *DIFFICULTIES), ((name, model["inputs"]) for name, model in models.items()))
    for title, key in (("source", "by source"), ("task", "by task")):
        yield f"\n## By {title}\n"
        rows = ((f"{name} | {part}", counts) for name, model in models.items() for part, counts in model[key].items())
        yield from _table((f"model | {title}", *DIFFICULTIES), rows)
    yield "\n## Texts\n"
    yield from _table(("model", *TEXTS), ((name, model["texts"]) for name, model in models.items()))
    yield f"\n## Pairs: {pairs['pairs']:,}\n"
    yield ", ".join(f"{name} {rules[name]}" for name in ("decides", "pair", "merge", "gamma")) + ".\n"
    yield from (_share(task, share, pairs["by right answer"]) for task, share in rules["positive_share"].items())
    yield from (f"- of {model}: {count:,}" for model, count in pairs["by model"].items())
    yield from (f"- in {source}: {count:,}" for source, count in pairs["by source"].items())
    yield from (f"- right: {answer}: {count:,}" for answer, count in pairs["by right answer"].items())
    for model, reasons in pairs["dropped"].items():
        yield from (f"- dropped of {model}, {why}: {count:,}" for why, count in reasons.items())
    yield from (f"- weight {weight}: {count:,}" for weight, count in pairs["weights"].items())
    if pairs["pairs"]:
        yield ""
        yield from _table(("characters", "mean", "median", "longest"), pairs["characters"].items())


def _share(task: str, share: float, right: Mapping[str, int]) -> str:
    labels = [answer for answer in right if answer.startswith(f"{task}: ")]
    kept = "; only one label occurs, so every pair is kept" if len(labels) == 1 else ""
    return f"- {task}: positive share {share}{kept}"


def _table(heading: tuple[str, ...], rows: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    yield f"| {' | '.join(heading)} |"
    yield "|" + "---|" * (" | ".join(heading).count("|") + 1)
    for name, figures in rows:
        yield f"| {name} | " + " | ".join(f"{figures[key]:,}" for key in heading[1:]) + " |"
