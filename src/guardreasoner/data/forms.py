"""From examples to the files of one form. `FORMS` is the table: a form is one row and one function."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module  # datasets loads only where its form is asked for
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

from guardreasoner.data.released import released_row
from guardreasoner.data.tables import write_rows
from guardreasoner.errors import InputError, MissingExtra
from guardreasoner.formats.paper import INSTRUCTION
from guardreasoner.jsonl import Json, write_objects
from guardreasoner.types import SFTExample, Task

FormName = Literal["parquet", "datasets", "prompt-completion", "released", "llama-factory"]
LLAMA_FACTORY = "guardreasoner"
"""What `dataset:` in LLaMA-Factory's configuration names."""

JSON_FILES = r".*\.json"
_COLUMNS: dict[str, type] = {
    **dict.fromkeys(("id", "source", "prompt", "completion"), str),
    "weight": float,
    **dict.fromkeys((task.value for task in Task), str),
}


class Form(NamedTuple):
    """How one form is written. `suffix`: of its file; None = it is a folder, whose entries match `entries`."""

    write: Callable[[Path, Iterator[SFTExample]], None]
    suffix: str | None
    entries: str = JSON_FILES


def _split(example: SFTExample) -> tuple[str, str | None]:
    """A prompt of the paper's format in its two parts, which its users join with a line end; else (prompt, None)."""
    beginning = f"{INSTRUCTION}\n"
    if example.prompt.startswith(beginning):
        return INSTRUCTION, example.prompt.removeprefix(beginning)
    return example.prompt, None


def _flat(example: SFTExample) -> Json:
    labels = {task.value: example.labels.get(task) if example.labels else None for task in Task}
    return {**example.model_dump(exclude={"labels"}), **labels}


def _parquet(path: Path, examples: Iterator[SFTExample]) -> None:
    write_rows(path, map(_flat, examples), list(_COLUMNS), list(_COLUMNS.values()))


def _prompt_completion(path: Path, examples: Iterator[SFTExample]) -> None:
    write_objects(path, ({"prompt": example.prompt, "completion": example.completion} for example in examples))


def _datasets(folder: Path, examples: Iterator[SFTExample]) -> None:
    """By way of a Parquet file, which datasets turns into its own files without holding the rows."""
    datasets = load_datasets()
    table, cache = folder.with_name(folder.name + ".parquet"), folder.with_name(folder.name + ".cache")
    bars: bool = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()  # ours counts the rows
    try:
        _parquet(table, examples)
        datasets.Dataset.from_parquet(str(table), cache_dir=str(cache)).save_to_disk(str(folder))
    finally:
        if bars:
            datasets.enable_progress_bars()
        table.unlink(missing_ok=True)
        shutil.rmtree(cache, ignore_errors=True)


def load_datasets() -> Any:
    """The library `datasets`, which has no complete types."""
    try:
        return import_module("datasets")
    except ImportError:
        raise MissingExtra("the datasets library", "data") from None


def _released(folder: Path, examples: Iterator[SFTExample]) -> None:
    """One file per source, as the authors' four."""
    sources: dict[str, str] = {}
    with ExitStack() as open_lists:
        lists: dict[str, Callable[[Json], None]] = {}
        for example in examples:
            name = _file_name(example.source)
            if sources.setdefault(name, example.source) != example.source:
                raise InputError(
                    f"the sources {sources[name]!r} and {example.source!r} would share the file {name}.json"
                )
            if name not in lists:
                lists[name] = open_lists.enter_context(_json_list(folder / f"{name}.json"))
            lists[name](released_row(example))


def _llama_factory(folder: Path, examples: Iterator[SFTExample]) -> None:
    """Alpaca-style rows, and the entry by which LLaMA-Factory finds them; it joins the two parts with a line end."""
    with _json_list(folder / f"{LLAMA_FACTORY}.json") as add:
        for example in examples:
            instruction, given = _split(example)
            add({"instruction": instruction, "input": given or "", "output": example.completion})
    columns = {"prompt": "instruction", "query": "input", "response": "output"}
    entry = {LLAMA_FACTORY: {"file_name": f"{LLAMA_FACTORY}.json", "formatting": "alpaca", "columns": columns}}
    (folder / "dataset_info.json").write_text(json.dumps(entry, indent=2) + "\n", encoding="utf-8")


@contextmanager
def _json_list(path: Path) -> Generator[Callable[[Json], None]]:
    """A function that adds one element to the list in `path`."""
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        yield _adder(file)
        file.write("\n]\n")


def _adder(file: IO[str]) -> Callable[[Json], None]:
    separator = "\n"

    def add(row: Json) -> None:
        nonlocal separator
        file.write(separator + json.dumps(row, ensure_ascii=False))
        separator = ",\n"

    return add


def _file_name(source: str) -> str:
    return re.sub(r"[^\w.-]+", "_", source) or "_"


FORMS: dict[FormName, Form] = {
    "parquet": Form(_parquet, ".parquet"),
    "datasets": Form(_datasets, None, r"data-\d+-of-\d+\.arrow|dataset_info\.json|state\.json"),
    "prompt-completion": Form(_prompt_completion, ".jsonl"),
    "released": Form(_released, None),
    "llama-factory": Form(_llama_factory, None),
}
