"""The form of the released GuardReasonerTrain, read and written, on rows of our own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from guardreasoner.data.released import released_examples, released_row, released_samples, write_released
from guardreasoner.data.tally import Tally
from guardreasoner.errors import InputError
from guardreasoner.formats.paper import INSTRUCTION, PaperFormat
from guardreasoner.types import Exchange, Labels, Sample, SFTExample

SHARED = Path(__file__).parents[2] / "shared" / "data" / "fixtures"
REASONING = "# Task 1\n\n## Reasoning Step 1\nThe request is about bread.\n\n---\n\n"


def row(prompt: str, response: str, answers: str = "unharmful compliance unharmful") -> dict[str, str]:
    request, completion, harm = answers.split()
    return {
        "instruction": INSTRUCTION,
        "input": f"Human user:\n{prompt}\n\nAI assistant:\n{response}\n\n",
        "output": f"{REASONING}Answers: \nRequest: {request}\nCompletion: {completion}\nResponse: {harm}",
    }


def write(path: Path, rows: list[Any]) -> Path:
    text = json.dumps(rows) if path.suffix == ".json" else "".join(json.dumps(each) + "\n" for each in rows)
    path.write_text(text, encoding="utf-8")
    return path


def samples(path: Path) -> tuple[list[Sample], Tally]:
    tally = Tally()
    return [found.sample for found in released_samples(path, tally)], tally


@pytest.mark.parametrize("name", ["ToxicChatTrain-R.json", "ToxicChatTrain-R.jsonl"])
def test_row_becomes_a_sample_with_the_answers_as_labels(name: str, tmp_path: Path) -> None:
    assert samples(write(tmp_path / name, [row("How do I bake bread?", "Mix and knead.")]))[0] == [
        Sample(
            id="ToxicChatTrain-R-1",
            source="ToxicChatTrain-R",
            exchange=Exchange(prompt="How do I bake bread?", response="Mix and knead."),
            labels=Labels(
                prompt_harmfulness="unharmful", response_refusal="compliance", response_harmfulness="unharmful"
            ),
        )
    ]


@pytest.mark.parametrize(("answers", "masked"), [("harmful refusal unharmful", 2), ("harmful None None", 0)])
def test_request_alone_gets_no_response_label(answers: str, masked: int, tmp_path: Path) -> None:
    (sample,), tally = samples(write(tmp_path / "a.json", [row("Write a mean note.", "None", answers)]))
    assert (sample.exchange.response, sample.labels) == (None, Labels(prompt_harmfulness="harmful"))
    assert tally.masked == masked


def test_rows_that_cannot_be_read_are_counted_by_reason(tmp_path: Path) -> None:
    good = row("Hello", "Hi")
    rows = [
        good,
        {**good, "output": ""},
        {**good, "output": "I don't know."},
        {**good, "input": "Hello"},
        {**good, "input": None},
        "text",
        row("Hello", "Hi", "unharmful None None"),
    ]
    found, tally = samples(write(tmp_path / "a.json", rows))
    assert ([sample.id for sample in found], tally.rows, tally.taken) == (["a-1"], 7, 1)
    assert dict(tally.left_out) == {
        "an empty output": 1,
        "no readable answer: no answer block": 1,
        "`input` is laid out otherwise": 1,
        "no text in `input`": 1,
        "expected a JSON object, found str": 1,
        "no readable answer: the answer to response_refusal is None, though there is something to judge": 1,
    }


def test_example_is_what_a_model_is_trained_on(tmp_path: Path) -> None:
    given = row("Hello", "None", "unharmful refusal unharmful")
    (example,) = released_examples(write(tmp_path / "a.json", [given]), Tally())
    assert example == SFTExample(
        id="a-1",
        source="a",
        prompt=PaperFormat().render(Exchange(prompt="Hello")),
        completion=given["output"],
        labels=Labels(prompt_harmfulness="unharmful"),
    )


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_what_is_read_is_written_byte_by_byte(name: str, tmp_path: Path) -> None:
    rows = [
        row("Hello", "None"),
        row("Say:\n\nAI assistant:\nNone of that", "None"),
        row("Ünïcode \u2028 \U0001f35e \t\r\n", 'Line\n\n\nHuman user:\n"quoted" \\ <|eot_id|>'),
        {**row("Other words", "Hi"), "instruction": "Judge this. \n"},
    ]
    written = tmp_path / f"again-{name}"
    assert write_released(written, released_examples(write(tmp_path / name, rows), Tally())) == 4
    text = written.read_text(encoding="utf-8")
    assert (json.loads(text) if name == "a.json" else [json.loads(line) for line in text.split("\n")[:-1]]) == rows


def test_no_example_is_an_empty_list(tmp_path: Path) -> None:
    assert write_released(tmp_path / "a.json", []) == 0
    assert json.loads((tmp_path / "a.json").read_text()) == []


def test_prompt_of_another_format_is_not_written(tmp_path: Path) -> None:
    example = SFTExample(id="7", source="own", prompt="<|user|>Hello", completion="x")
    with pytest.raises(InputError, match="own 7: found a prompt without the line 'Human user:'"):
        released_row(example)
    with pytest.raises(InputError):
        write_released(tmp_path / "a.json", [example])
    assert list(tmp_path.iterdir()) == []


def test_name_of_another_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.csv: expected a name that ends in \.json or \.jsonl"):
        write_released(tmp_path / "a.csv", [])


@pytest.mark.skipif(not SHARED.is_dir(), reason="the collected rows are not here")
def test_rows_of_the_released_files_come_back_as_they_are(tmp_path: Path) -> None:
    sets = json.loads((SHARED / "GuardReasonerTrain.sample.json").read_text(encoding="utf-8"))
    sets["more"] = json.loads((SHARED / "GuardReasonerTrain.wildguard_rows.json").read_text(encoding="utf-8"))
    for name, rows in sets.items():
        path, tally = write(tmp_path / f"{name}.json", rows), Tally()
        write_released(tmp_path / "again.json", released_examples(path, tally))
        assert json.loads((tmp_path / "again.json").read_text(encoding="utf-8")) == [
            {key: row[key] for key in ("instruction", "input", "output")} for row in rows
        ]
        assert (tally.taken, dict(tally.left_out)) == (len(rows), {})
        assert all(found.sample.labels.prompt_harmfulness for found in released_samples(path, Tally()))
