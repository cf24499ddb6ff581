"""From the name of a seed set to its samples, out of a local copy of its files or from the hub, through `datasets`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module  # `datasets` has no strict types, and loads only where the hub is asked
from pathlib import Path
from typing import Any

from guardreasoner.data.raw import FORMS, read_raw
from guardreasoner.data.seeds import Seed, difference
from guardreasoner.data.tables import Record
from guardreasoner.data.tally import Found, Tally, drawn
from guardreasoner.errors import InputError, MissingExtra
from guardreasoner.types import Sample


@dataclass(frozen=True)
class Rows:
    """The rows of a split, which can be walked more than once; none of them is held."""

    place: str
    walk: Callable[[], Iterator[Record]]


def seed_samples(seed: Seed, raw: Path | None, rows: int, draw: int, tally: Tally) -> Iterator[Found]:
    """At most `rows` samples of a set, a draw seeded with `draw`, in file order; `tally` says what was left out.

    Its rows are walked twice, to count and to convert, so that memory stays the same for any number of them.
    """
    if rows < 1:
        raise InputError(f"data.seeds.{seed.name}: {rows} is no number of rows, expected 1 or more")
    source = open_rows(seed, raw)
    tally.place = source.place
    tally.about |= {"hub": seed.hub, "split": seed.split, "licence": seed.licence}
    for _, made in _converted(_checked(source, seed), seed):
        tally.rows += 1
        if isinstance(made, str):
            tally.left_out[made] += 1
    usable = tally.rows - tally.left_out.total()
    tally.note = difference(seed, tally.rows, usable)
    tally.taken = min(usable, rows)
    tally.check_some()
    if usable > rows:
        tally.left_out["not drawn"] = usable - rows
    chosen, position = drawn(usable, rows, f"{draw}-{seed.name}"), 0
    for number, made in _converted(source.walk(), seed):
        if isinstance(made, Sample):
            if position in chosen:
                yield Found(source.place, number, made)
            position += 1


def _converted(records: Iterable[Record], seed: Seed) -> Iterator[tuple[int, Sample | str]]:
    """Per row its number, which the sample's id is made of, and the sample or why there is none."""
    for number, record in enumerate(records, 1):
        if record.value is None or record.error is not None:
            yield number, record.error or "no row"
        else:
            yield number, seed.convert(record.value, number)


def open_rows(seed: Seed, raw: Path | None) -> Rows:
    """The split's rows, from the folder `raw` or, without one, from the hub."""
    if raw is None:
        table = _from_hub(seed)
        return Rows(f"{seed.hub}@{seed.revision}", lambda: _hub_records(table))
    path = find_file(seed, raw)
    return Rows(str(path), lambda: read_raw(path))


def find_file(seed: Seed, raw: Path) -> Path:
    """The set's file below `raw`, where the hub has it or under the set's own name; or `raw`, if that is a file."""
    if raw.is_file():
        return raw
    owner, name = seed.hub.split("/")
    places = [folder / seed.file for folder in (raw / owner / name, raw / name, raw / seed.name, raw)]
    places += [raw / name / Path(seed.file).name, raw / seed.name / Path(seed.file).name, raw / Path(seed.file).name]
    places += [raw / f"{seed.name}{suffix}" for suffix in FORMS]
    for path in places:
        if path.is_file():
            return path
    raise InputError(
        f"{raw}: no file of {seed.name}, expected {name}/{seed.file} (`{_download(seed, raw)}` brings it) "
        f"or {seed.name} with one of the endings {', '.join(FORMS)}"
    )


def _checked(source: Rows, seed: Seed) -> Iterator[Record]:
    """The rows; the first one that can be read must hold the set's fields."""
    checked = False
    for record in source.walk():
        if not checked and record.value is not None and record.error is None:
            if missing := [name for name in seed.fields if name not in record.value]:
                found = ", ".join(record.value)[:200]
                raise InputError(
                    f"{source.place}: no rows of {seed.name}: expected the field {missing[0]!r}, found {found}"
                )
            checked = True
        yield record


def _from_hub(seed: Seed) -> Any:
    """The split as a table on disk that is mapped into memory; every way to fail is one sentence."""
    try:
        datasets: Any = import_module("datasets")
    except ImportError:
        raise MissingExtra("loading seed sets from the hub", "data") from None
    try:
        return datasets.load_dataset(seed.hub, seed.config, split=seed.split, revision=seed.revision)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise InputError(_why(seed, error)) from error


def _hub_records(table: Any) -> Iterator[Record]:
    for number, row in enumerate(table, 1):
        yield Record(number, row)


def _why(seed: Seed, error: Exception) -> str:
    said = " ".join(str(error).split())
    if "gated" in said.lower() or (seed.gated and any(code in said for code in ("401", "403"))):
        return (
            f"{seed.hub} is gated and this account has no access: accept its terms at "
            f"https://huggingface.co/datasets/{seed.hub}, then run `hf auth login` or set HF_TOKEN"
        )
    local = (
        f'`{_download(seed, Path("raw"))}` brings the files where there is a network, and `data.raw = "raw"` reads them'
    )
    if isinstance(error, ConnectionError) or "offline" in said.lower():
        return f"cannot reach the hub for {seed.hub}; {local}"
    return f"{seed.hub} cannot be loaded from the hub: {said[:300]}; {local}"


def _download(seed: Seed, raw: Path) -> str:
    name = seed.hub.split("/")[1]
    return (
        f'hf download {seed.hub} "{seed.file}" --repo-type dataset --revision {seed.revision} --local-dir {raw / name}'
    )
