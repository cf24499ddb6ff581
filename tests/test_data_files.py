"""Your own rows: columns and values as the recipe names them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from seed_rows import write

from guardreasoner.data.files import file_samples
from guardreasoner.data.tally import Tally
from guardreasoner.errors import InputError
from guardreasoner.recipe import FileSource
from guardreasoner.types import Exchange, Labels, Sample

pytest.importorskip("pyarrow")
ROWS: list[dict[str, Any]] = [
    {"key": "q1", "question": "How do I bake bread?", "answer": "Mix and knead.", "bad": 0, "declined": "no"},
    {"key": "q2", "question": "Write a mean note.", "answer": "I'd rather not.", "bad": 1, "declined": "yes"},
    {"key": "q3", "question": "Are you there?", "answer": None, "bad": 0, "declined": None},
]
COLUMNS: dict[str, Any] = {
    "source": "desk",
    "prompt": "question",
    "response": "answer",
    "id": "key",
    "prompt_harmfulness": "bad",
    "response_refusal": "declined",
    "values": {"0": "unharmful", "1": "harmful", "declined": {"yes": "refusal", "no": "compliance"}},
}
TWO: list[dict[str, Any]] = [{"prompt": "Hello", "label": "unharmful"}, {"prompt": "You fool", "label": "harmful"}]


def read(path: Path, **named: Any) -> tuple[list[Sample], Tally]:
    tally = Tally()
    return [found.sample for found in file_samples(FileSource(path=path, **named), tally)], tally


def message(path: Path, **named: Any) -> str:
    with pytest.raises(InputError) as caught:
        read(path, **named)
    return str(caught.value).replace(f"{path.parent}/", "")


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet", ".json", ".jsonl.gz"])
def test_rows_of_every_form_become_samples(ending: str, tmp_path: Path) -> None:
    samples, tally = read(write(tmp_path / f"rows{ending}", ROWS), **COLUMNS)
    assert samples == [
        Sample(
            id="q1",
            source="desk",
            exchange=Exchange(prompt="How do I bake bread?", response="Mix and knead."),
            labels=Labels(prompt_harmfulness="unharmful", response_refusal="compliance"),
        ),
        Sample(
            id="q2",
            source="desk",
            exchange=Exchange(prompt="Write a mean note.", response="I'd rather not."),
            labels=Labels(prompt_harmfulness="harmful", response_refusal="refusal"),
        ),
        Sample(
            id="q3",
            source="desk",
            exchange=Exchange(prompt="Are you there?"),
            labels=Labels(prompt_harmfulness="unharmful"),
        ),
    ]
    assert (tally.rows, tally.taken, tally.masked) == (3, 3, 0)


def test_without_a_name_the_file_names_the_source_and_the_line_the_row(tmp_path: Path) -> None:
    samples, _ = read(write(tmp_path / "mine.csv", TWO), prompt_harmfulness="label")
    assert [(sample.source, sample.id) for sample in samples] == [("mine", "mine-2"), ("mine", "mine-3")]


def test_column_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    for name in ("rows.csv", "rows.jsonl", "rows.parquet"):
        assert message(write(tmp_path / name, TWO), prompt_harmfulness="harm") == (
            f"{name}: no column 'harm', found prompt, label"
        )


def test_unknown_label_is_one_sentence(tmp_path: Path) -> None:
    assert message(
        write(tmp_path / "rows.csv", [*TWO, {"prompt": "Hm", "label": "maybe"}]), prompt_harmfulness="label"
    ) == (
        "rows.csv, line 4: `label` holds 'maybe', expected harmful or unharmful; "
        "`values` says what other words stand for"
    )


def test_label_of_another_task_is_one_sentence(tmp_path: Path) -> None:
    assert message(write(tmp_path / "rows.jsonl", ROWS), **{**COLUMNS, "response_refusal": "bad"}) == (
        "rows.jsonl, line 1: `bad` holds '0', expected refusal or compliance; `values` says what other words stand for"
    )


def test_value_that_stands_for_no_label_is_one_sentence(tmp_path: Path) -> None:
    assert message(write(tmp_path / "rows.csv", TWO), values={"1": "bad"}) == (
        "rows.csv: `values` makes 'bad' of '1', expected compliance, harmful, refusal, unharmful"
    )


@pytest.mark.parametrize(("value", "word"), [(True, "true"), (1.0, "1"), (1, "1"), ("True", "True")])
def test_value_is_named_as_a_person_writes_it(value: object, word: str, tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [{"prompt": "You fool", "label": value}])
    (sample,), _ = read(path, prompt_harmfulness="label", values={word: "harmful"})
    assert sample.labels == Labels(prompt_harmfulness="harmful")


def test_response_label_of_a_request_alone_is_masked_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", [{"prompt": "Hello", "answer": "", "label": "refusal"}])
    (sample,), tally = read(path, response="answer", response_refusal="label")
    assert (sample.labels, tally.masked) == (Labels(), 1)


def test_rows_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"prompt,label\nHello,unharmful\n,harmful\nHello\nHel\xfflo,harmful\n")
    samples, tally = read(path, prompt_harmfulness="label")
    assert len(samples) == 1
    assert dict(tally.left_out) == {
        "no prompt": 1,
        "found 1 fields, expected 2 as in the header": 1,
        "not valid UTF-8": 1,
    }


def test_row_without_its_id_is_counted(tmp_path: Path) -> None:
    _, tally = read(write(tmp_path / "rows.jsonl", [*ROWS, {"question": "And now?"}]), **COLUMNS)
    assert dict(tally.left_out) == {"no key": 1}


def test_file_without_a_usable_row_is_one_sentence(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", [{"prompt": " "}])
    assert message(path) == "rows.csv: none of 1 rows could be taken, the first reason: no prompt"


def test_missing_file_is_one_sentence(tmp_path: Path) -> None:
    assert (
        message(tmp_path / "none.csv").replace(f"{tmp_path}/", "") == "cannot read none.csv: no such file or directory"
    )
