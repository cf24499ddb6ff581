"""From reasoning.jsonl to a file or folder that other tools open, and the count of examples in it.

Rows are written as they are read; the output appears whole or not at all.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from guardreasoner.data.forms import FORMS, JSON_FILES, LLAMA_FACTORY, FormName
from guardreasoner.errors import InputError
from guardreasoner.jsonl import reason
from guardreasoner.run import read_records
from guardreasoner.types import SFTExample


def reasoning_file(run: Path) -> Path:
    """The reasoning.jsonl that `run` is or holds."""
    path = run / "reasoning.jsonl" if run.is_dir() else run
    if not path.is_file():
        found = "a folder without reasoning.jsonl" if run.is_dir() else "nothing"
        raise InputError(f"{run}: expected a run folder or a reasoning.jsonl, found {found}")
    return path


def count_examples(reasoning: Path) -> int:
    """How many there are, for a progress bar: lines are counted, not read."""
    with reasoning.open("rb") as lines:
        return sum(1 for _ in lines)


def export(
    reasoning: Path,
    form: FormName,
    output: Path,
    *,
    overwrite: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Write every example in `form` to `output`; how many there were.

    Raises:
        InputError: `output` is there and may not be replaced, or a row cannot be read or does not suit the form.
        MissingExtra: the form's library is not installed.
    """
    chosen = FORMS[form]
    check_output(reasoning, form, output, overwrite)
    count = 0

    def examples() -> Iterator[SFTExample]:
        nonlocal count
        for example in read_records(reasoning, SFTExample):
            count += 1
            progress(1)
            yield example

    try:
        if chosen.suffix is not None:
            chosen.write(output, examples())
        else:
            with _whole_folder(output, chosen.entries) as folder:
                chosen.write(folder, examples())
    except OSError as error:
        raise InputError(f"cannot write {output}: {reason(error)}") from error
    return count


def check_output(reasoning: Path, form: FormName, output: Path, overwrite: bool) -> None:
    """InputError if `output` cannot become what is asked for, or holds what nobody asked to lose."""
    suffix, entries = FORMS[form].suffix, FORMS[form].entries
    if suffix is not None and output.suffix.lower() != suffix:
        raise InputError(f"--output {output}: the form {form} is a file that ends in {suffix}")
    if not output.parent.is_dir():
        raise InputError(f"--output {output}: there is no folder {output.parent}")
    if not output.exists():
        return
    if output.samefile(reasoning):
        raise InputError(f"--output {output} is the input itself")
    if output.suffix == ".jsonl" and (output.parent / "recipe.json").is_file():
        raise InputError(f"--output {output} is a file of a run; it is not replaced")
    if suffix is None and not output.is_dir():
        raise InputError(f"--output {output}: the form {form} is a folder, found a file of that name")
    if suffix is not None and output.is_dir():
        raise InputError(f"--output {output}: the form {form} is a file, found a folder of that name")
    if not overwrite:
        raise InputError(f"{output} is there already; --overwrite replaces it")
    if suffix is None and (foreign := [entry for entry in output.iterdir() if not re.fullmatch(entries, entry.name)]):
        raise InputError(f"{output} holds {foreign[0].name}, which the form {form} never writes; it is not replaced")


def files_of(form: FormName, output: Path) -> dict[str, Path]:
    """Split -> the file of `output` that holds it (a pattern for several), as a dataset card lists them."""
    if FORMS[form].suffix is not None:
        return {"train": output}
    if form == "released":
        return {_split_name(path.stem): path for path in sorted(output.glob("*.json"))}
    return {"train": output / (f"{LLAMA_FACTORY}.json" if form == "llama-factory" else "data-*.arrow")}


@contextmanager
def _whole_folder(output: Path, entries: str) -> Generator[Path]:
    """An empty folder that takes the place of `output` when the block ends without an error.

    A folder is replaced by one that has the same files: then nothing is lost but an older export.
    """
    work = Path(tempfile.mkdtemp(prefix=f".{output.name}-", dir=output.parent))
    new, old = work / "new", work / "old"
    try:
        new.mkdir()
        yield new
        if output.exists():
            written = {entry.name for entry in new.iterdir()}
            if entries == JSON_FILES and (lost := [e.name for e in output.iterdir() if e.name not in written]):
                raise InputError(f"{output} holds {lost[0]}, which is not written now; it is not replaced")
            output.rename(old)
        try:
            new.rename(output)
        except OSError:
            if old.exists():
                old.rename(output)
            raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _split_name(stem: str) -> str:
    """What the hub takes as the name of a split: word characters and dots."""
    return re.sub(r"[^\w.]+", "_", stem)
