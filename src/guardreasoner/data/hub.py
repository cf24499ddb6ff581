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
from guardreasoner.data.upstream import Upstream
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
    for _, made in _converted(checked(source, seed), seed):
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


def open_rows(source: Upstream, raw: Path | None) -> Rows:
    """The split's rows, from the folder `raw` or, without one, from the hub."""
    if raw is None:
        table = _from_hub(source)
        return Rows(source.place, lambda: _hub_records(table))
    path = find_file(source, raw)
    return Rows(str(path), lambda: read_raw(path))


def find_file(source: Upstream, raw: Path) -> Path:
    """The set's file below `raw`, where the hub has it or under the set's own name; or `raw`, if that is a file."""
    if raw.is_file():
        return raw
    for path in (*source.places(raw), *(raw / f"{source.name}{suffix}" for suffix in FORMS)):
        if path.is_file():
            return path
    name = source.hub.split("/")[1]
    raise InputError(
        f"{raw}: no file of {source.name}, expected {name}/{source.file} (`{source.download(raw)}` brings it) "
        f"or {source.name} with one of the endings {', '.join(FORMS)}"
    )


def checked(rows: Rows, source: Upstream) -> Iterator[Record]:
    """The rows; the first one that can be read must hold the set's fields."""
    known = False
    for record in rows.walk():
        if not known and record.value is not None and record.error is None:
            if missing := [name for name in source.fields if name not in record.value]:
                found = ", ".join(record.value)[:200]
                raise InputError(
                    f"{rows.place}: no rows of {source.name}: expected the field {missing[0]!r}, found {found}"
                )
            known = True
        yield record


def _from_hub(source: Upstream) -> Any:
    """The split as a table on disk that is mapped into memory; every way to fail is one sentence."""
    try:
        datasets: Any = import_module("datasets")
    except ImportError:
        raise MissingExtra("loading data sets from the hub", "data") from None
    files = {source.split: source.file} if source.by_file else None
    try:
        return datasets.load_dataset(
            source.hub, source.config, data_files=files, split=source.split, revision=source.revision
        )
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise InputError(_why(source, error)) from error


def _hub_records(table: Any) -> Iterator[Record]:
    for number, row in enumerate(table, 1):
        yield Record(number, row)


def _why(source: Upstream, error: Exception) -> str:
    said = " ".join(str(error).split())
    if "gated" in said.lower() or (source.gated and any(code in said for code in ("401", "403"))):
        return (
            f"{source.hub} is gated and this account has no access: accept its terms at "
            f"{source.page}, then run `hf auth login` or set HF_TOKEN"
        )
    reads = '`data.raw = "raw"`' if isinstance(source, Seed) else "`--data raw`"
    local = f"`{source.download(Path('raw'))}` brings the files where there is a network, and {reads} reads them"
    if isinstance(error, ConnectionError) or "offline" in said.lower():
        return f"cannot reach the hub for {source.hub}; {local}"
    return f"{source.hub} cannot be loaded from the hub: {said[:300]}; {local}"
