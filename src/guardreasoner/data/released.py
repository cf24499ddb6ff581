r"""From the form of the released GuardReasonerTrain to `Sample`s and `SFTExample`s, and back.

A file is a JSON list or JSONL of `{instruction, input, output}`; other fields are not read. `input` is laid out as
`data/layout.py` says, `output` is the teacher's reasoning and its answer block. What a model is given is `instruction`,
a line end and `input`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from guardreasoner.data.layout import USER, read_input
from guardreasoner.data.raw import form, read_raw
from guardreasoner.data.tally import Found, Tally, exchange_of
from guardreasoner.errors import InputError
from guardreasoner.formats.paper import PaperFormat
from guardreasoner.jsonl import Json, dump, open_binary, write_atomically
from guardreasoner.types import Exchange, Labels, Malformed, Sample, SFTExample

FIELDS = ("instruction", "input", "output")
_FORMAT = PaperFormat()
_Read = tuple[Exchange, Labels]


def released_samples(path: Path, tally: Tally) -> Iterator[Found]:
    """The exchanges with the answers of the block as labels; `tally` says what was left out.

    A request alone gets no response label, whatever the teacher wrote about the missing response. What BeaverTails
    rows say about the request and the refusal is the teacher's word, not gold.
    """
    source = _name(path)
    for line, (exchange, labels), _ in _rows(path, tally):
        yield Found(str(path), line, Sample(id=f"{source}-{line}", source=source, exchange=exchange, labels=labels))


def released_examples(path: Path, tally: Tally) -> Iterator[SFTExample]:
    """The same rows to train on, prompt and completion as the authors wrote them."""
    source = _name(path)
    for line, (_, labels), row in _rows(path, tally):
        prompt, completion = f"{row['instruction']}\n{row['input']}", row["output"]
        yield SFTExample(id=f"{source}-{line}", source=source, prompt=prompt, completion=completion, labels=labels)


def write_released(path: Path, examples: Iterable[SFTExample]) -> int:
    """Examples of the paper's format, as one JSON list or, if the name ends in .jsonl, as lines; how many."""
    if (kind := form(path)) not in (".json", ".jsonl"):
        raise InputError(f"{path}: expected a name that ends in .json or .jsonl")
    opening, between, closing = (b"[\n", b",\n", b"\n]\n") if kind == ".json" else (b"", b"\n", b"\n")
    count = 0
    with write_atomically(path) as beside, beside.open("wb") as file:
        for count, example in enumerate(examples, 1):
            file.write((opening if count == 1 else between) + dump(released_row(example)).rstrip(b"\n"))
        file.write(closing if count else opening + closing.lstrip(b"\n") if kind == ".json" else b"")
    return count


def released_row(example: SFTExample) -> Json:
    """`{instruction, input, output}` of one example."""
    instruction, found, rest = example.prompt.partition(f"\n{USER}")
    if not found:
        place = f"{example.source} {example.id}"
        raise InputError(
            f"{place}: found a prompt without the line {USER.strip()!r}, expected one of the paper's format"
        )
    return {"instruction": instruction, "input": USER + rest, "output": example.completion}


def _rows(path: Path, tally: Tally) -> Iterator[tuple[int, _Read, Json]]:
    """Per readable row its number, what it says, and its texts."""
    open_binary(path).close()
    tally.place = str(path)
    for record in read_raw(path):
        tally.rows += 1
        row = record.value or {}
        read = record.error or _read(row, tally)
        if isinstance(read, str):
            tally.left_out[read] += 1
        else:
            tally.taken += 1
            yield tally.rows, read, row
    tally.check_some()


def _read(row: Json, tally: Tally) -> _Read | str:
    """The exchange and the labels of its tasks, or why there are none."""
    if missing := [name for name in FIELDS if not isinstance(row.get(name), str)]:
        return f"no text in `{missing[0]}`"
    if not row["output"].strip():
        return "an empty output"
    laid_out = read_input(row["input"], may_lack_response=True)
    if laid_out is None:
        return "`input` is laid out otherwise"
    exchange = exchange_of(laid_out.prompt, laid_out.response)
    if isinstance(exchange, str):
        return exchange
    verdict = _FORMAT.read(row["output"], exchange)
    if isinstance(verdict, Malformed):
        return f"no readable answer: {verdict.reason}"
    if exchange.response is None and not isinstance(
        _FORMAT.read(row["output"], Exchange(prompt="-", response="-")), Malformed
    ):
        tally.masked += 2
    return exchange, verdict.labels


def _name(path: Path) -> str:
    return path.name.removesuffix(form(path))
