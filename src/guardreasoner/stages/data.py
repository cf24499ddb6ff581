"""From the recipe's sources to samples, split into training and development by prompt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from hashlib import blake2b

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from guardreasoner.data.labelled import dialogue_samples, is_dev, labelled_samples, normalised
from guardreasoner.data.tally import Found, Tally, without_double_ids
from guardreasoner.errors import InputError
from guardreasoner.jsonl import write_atomically
from guardreasoner.recipe import DataSection, Recipe
from guardreasoner.run import RunFolder
from guardreasoner.types import Sample, Task


def run(recipe: Recipe, folder: RunFolder) -> None:
    """Writes samples.jsonl, dev.jsonl and data.json (counts per source and label, and what was left out)."""
    if folder.train.is_file() and folder.dev.is_file():
        return
    section, tallies, repeated = recipe.data, dict[str, Tally](), Counter[str]()
    samples = without_repeats(_with_bar(collect(section, tallies)), repeated)
    with ExitStack() as stack:  # dev.jsonl takes its place first: the stage is done when samples.jsonl has its own
        paths = [stack.enter_context(write_atomically(path)) for path in (folder.train, folder.dev)]
        files = [stack.enter_context(path.open("w", encoding="utf-8")) for path in paths]
        counted = [Counts(), Counts()]
        for sample in samples:
            side = int(is_dev(sample.exchange.prompt, section.dev_share))
            files[side].write(sample.model_dump_json() + "\n")
            counted[side].add(sample)
        for file in files:
            file.flush()
        figures = {"train": counted[0].figures(), "dev": counted[1].figures()}
        figures |= {"repeated rows left out": repeated.total(), "repeated rows by source": dict(repeated)}
        folder.note("data", {**figures, "sources": {name: tally.figures() for name, tally in tallies.items()}})
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    for name, tally in tallies.items():
        console.print(f"  {name}: {tally.sentence()}")


def collect(section: DataSection, tallies: dict[str, Tally]) -> Iterator[Sample]:
    """All samples of the recipe, source by source, none held; `tallies` gets what became of each new source's rows."""
    return (each.sample for each in without_double_ids(_found(section, tallies)))


def _found(section: DataSection, tallies: dict[str, Tally]) -> Iterator[Found]:
    if both := sorted(section.pairs.keys() & section.annotated.keys()):
        raise InputError(
            f"{both[0]}: in `data.pairs`, which takes it as benign, and in `data.annotated`, expected one of them"
        )
    for source, rows in section.labelled.items():
        leave_out = section.leave_out_notes.get(source, ())
        yield from _listed(
            f"labelled/{source}", labelled_samples(section.folder, source, rows, section.seed, leave_out)
        )
    if section.pairs:
        yield from _listed("text", dialogue_samples(section.folder, section.pairs, section.seed))
    if section.annotated:
        from guardreasoner.data.annotated import annotated_samples

        for source, path in section.annotated.items():
            yield from annotated_samples(section.folder, source, path, tallies.setdefault(source, Tally()))
    if section.own:
        from guardreasoner.data.own import own_samples

        yield from _listed("own", own_samples(section.seed, section.own))
    yield from _named(section, tallies)


def _named(section: DataSection, tallies: dict[str, Tally]) -> Iterator[Found]:
    """The paper's sources, and files that the recipe names."""
    if section.seeds:
        from guardreasoner.data.hub import seed_samples
        from guardreasoner.data.seeds import seed_of

        for seed, rows in [(seed_of(name), rows) for name, rows in section.seeds.items()]:
            yield from seed_samples(seed, section.raw, rows, section.seed, tallies.setdefault(seed.name, Tally()))
    if section.released:
        from guardreasoner.data.released import released_samples

        for path in section.released:
            yield from released_samples(path, tallies.setdefault(str(path), Tally()))
    if section.files:
        from guardreasoner.data.files import file_samples

        for source in section.files:
            name = f"{source.path} as {source.source}" if source.source else str(source.path)
            yield from file_samples(source, tallies.setdefault(name, Tally()))


def _listed(place: str, samples: Iterable[Sample]) -> Iterator[Found]:
    return (Found(place, number, sample) for number, sample in enumerate(samples, 1))


def without_repeats(samples: Iterable[Sample], repeated: Counter[str]) -> Iterator[Sample]:
    """The first of each exchange; `repeated` counts the others by source."""
    seen: set[bytes] = set()
    for sample in samples:
        exchange = (normalised(sample.exchange.prompt), sample.exchange.response)
        key = blake2b(repr(exchange).encode(errors="surrogatepass"), digest_size=16).digest()
        if key in seen:
            repeated[sample.source] += 1
        else:
            seen.add(key)
            yield sample


class Counts:
    """Rows per source, and per task how often each label stands."""

    def __init__(self) -> None:
        self._sources: Counter[str] = Counter()
        self._labels = {task: Counter[str]() for task in Task}

    def add(self, sample: Sample) -> None:
        self._sources[sample.source] += 1
        for task, labels in self._labels.items():
            labels[str(sample.labels.get(task))] += 1

    def figures(self) -> dict[str, object]:
        """As data.json keeps them."""
        labels = {task.value: dict(counted) for task, counted in self._labels.items()}
        return {"rows": self._sources.total(), "sources": dict(self._sources), **labels}


def _with_bar(samples: Iterable[Sample]) -> Iterator[Sample]:
    """The samples, with a bar on standard error that counts them and names their source."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,} rows"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        row = progress.add_task("data", total=None)
        for sample in samples:
            progress.update(row, advance=1, description=sample.source)
            yield sample
