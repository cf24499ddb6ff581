"""From a recipe and its statistics to a dataset card: README.md with the front matter that the hub reads.

The licence is never written: it follows from the sources' terms and the teacher's, and is the user's to state.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from guardreasoner.recipe import Recipe
from guardreasoner.report.synthesis import Statistics, findings_table, markdown_table, samples_table
from guardreasoner.types import Task

NOT_STATED = "not stated"
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LIMITS = """
- The reasoning was written by a model that was told the gold labels: it explains them, it does not test them.
- Where a task was not annotated, the answer in the text is the teacher's own and no gold; `labels` says which are.
- The filters read wording. They do not know whether a step is true.
- Prompts and responses come from safety data sets: many are hateful, sexual or dangerous. They are here to train and
  to test guards.
""".strip()


def card(
    recipe: Recipe, statistics: Statistics, licences: Mapping[str, str] | None = None, pictures: bool = True
) -> str:
    """The whole page. `licences`: source -> its licence as its publisher states it."""
    shown = "![Steps per sample](histograms/steps.png)\n\n![Length of a step](histograms/lengths.png)"
    parts = [
        front_matter(recipe.name, statistics.kept, {"train": "reasoning.jsonl"}),
        f"# {recipe.name}",
        "Reasoning data for training a guard model in the manner of GuardReasoner (arXiv 2501.18492): exchanges of a "
        "user and an assistant, and for each a step-by-step judgement of the request, of refusal and of the response.",
        "## Sources",
        _sources(statistics, licences or {}),
        "The licence of this data set follows from these and from the teacher's terms of use. Look up what is not "
        "stated, and state yours in the front matter before you publish.",
        "## Samples and steps",
        samples_table(statistics),
        *([shown] if pictures else []),
        "## How it was made",
        _made(recipe),
        "## Filters",
        _filters(recipe, statistics),
        "## Columns",
        _columns(),
        "## Limits",
        _LIMITS,
    ]
    return "\n\n".join(parts) + "\n"


def front_matter(name: str, rows: int, files: Mapping[str, str]) -> str:
    """YAML between rules; each value is written as JSON, which YAML includes."""
    size = next((label for limit, label in _SIZES if rows < limit), "n>1M")
    lines = [
        "---",
        "# license: state yours here before you publish",
        f"pretty_name: {json.dumps(name)}",
        'task_categories: ["text-generation", "text-classification"]',
        'tags: ["guardrails", "moderation", "reasoning", "safety", "synthetic"]',
        f"size_categories: {json.dumps([size])}",
        configs(files),
        "---",
    ]
    return "\n".join(lines)


def configs(files: Mapping[str, str]) -> str:
    """The line that tells `datasets.load_dataset` which files make which split."""
    data_files = [{"split": split, "path": path} for split, path in files.items()]
    return f"configs: {json.dumps([{'config_name': 'default', 'data_files': data_files}])}"


def with_files(page: str, files: Mapping[str, str]) -> str:
    """The same page for other files: its `configs` line replaced, or added to its front matter."""
    line = configs(files)
    if not page.startswith("---\n"):
        return f"---\n{line}\n---\n\n{page}"
    head, end, body = page[4:].partition("\n---")
    if re.search(r"^configs:.*$", head, re.MULTILINE):
        head = re.sub(r"^configs:.*(?:\n[ \t-].*)*", lambda _: line, head, count=1, flags=re.MULTILINE)
    else:
        head = f"{head}\n{line}"
    return f"---\n{head}{end}{body}"


def _sources(statistics: Statistics, licences: Mapping[str, str]) -> str:
    rows = [[name, licences.get(name, NOT_STATED), f"{kept.samples:,}"] for name, kept in statistics.sources.items()]
    return markdown_table([["source", "licence", "samples"], *rows])


def _made(recipe: Recipe) -> str:
    teacher = recipe.teacher
    heat = "the model's own temperature" if teacher.temperature is None else f"temperature {teacher.temperature:g}"
    return (
        f"Teacher: `{teacher.model}`, {heat}, at most {teacher.max_tokens:,} tokens. It was given the exchange and the "
        "gold labels that exist, and asked for 1 to 10 smallest steps per task and the answers after them. Made with "
        "guardreasoner, command `synthesize`."
    )


def _filters(recipe: Recipe, statistics: Statistics) -> str:
    section = recipe.synthesize
    if section.keep == "all":
        said = f"None: `keep` is `all`. {statistics.kept:,} samples were kept, whatever the filters found."
    else:
        numbers = f"{statistics.kept:,} samples were kept, {statistics.left_out:,} rejected"
        said = f"{numbers}, each for the first reason that holds."
    compared = "" if section.benchmarks else " Prompts were not compared with any benchmark's."
    return f"{said}{compared}" + (f"\n\n{findings_table(statistics)}" if statistics.found else "")


def _columns() -> str:
    tasks = ", ".join(f"`{task.value}`" for task in Task)
    return "\n".join(
        [
            "- `id`, `source`: where the sample is from; the id is unique within its source.",
            "- `prompt`: all that the guard is given, instruction included.",
            "- `completion`: the reasoning and the answers; what is learned.",
            "- `weight`: weight in the loss, 1 unless said otherwise.",
            f"- `labels`: the gold labels, {tasks}; null where nobody annotated.",
        ]
    )
