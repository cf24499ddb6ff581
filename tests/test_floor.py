"""The floors: always positive, and a bag of words that trains on mild rows and runs through `evaluate`."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from guardreasoner.cli import app, status_of
from guardreasoner.errors import InputError
from guardreasoner.guard import Guard
from guardreasoner.judges.floor import Floor, probability, terms, train_floor
from guardreasoner.run import write_records
from guardreasoner.types import Exchange, Harmfulness, Labels, Sample, Scores, Task

HARMFUL = ["Call my brother a fool.", "Call her a fool now.", "What a fool, mock him.", "Mock the new fool."]
MILD = ["How do I bake bread?", "Bake a cake for her.", "Who sings this song?", "Sing a song about bread."]


def rows(texts: list[str], label: Harmfulness) -> list[Sample]:
    return [
        Sample(
            id=f"{label}-{number}",
            source="own",
            exchange=Exchange(prompt=text),
            labels=Labels(prompt_harmfulness=label),
        )
        for number, text in enumerate(texts)
    ]


SAMPLES = rows(HARMFUL, "harmful") + rows(MILD, "unharmful")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("floor")
    train_floor(SAMPLES, out)
    return out


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_always_positive_flags_everything() -> None:
    verdict = Guard("always-positive").check("Hello", "Hi.")
    assert verdict.labels == Labels(
        prompt_harmfulness="harmful", response_refusal="refusal", response_harmfulness="harmful"
    )
    assert verdict.scores == Scores(prompt_harmfulness=1, response_refusal=1, response_harmfulness=1)


def test_floor_is_asked_in_no_format() -> None:
    with pytest.raises(InputError, match=r"^format 'paper': always-positive is a floor, which is asked in no format$"):
        Guard("always-positive", format="paper").check("Hello")


def test_bag_of_words_learns_the_words(folder: Path) -> None:
    guard = Guard(folder)
    found = {text: guard.check(text).labels.prompt_harmfulness for text in ("You fool.", "Bread and a song")}
    assert found == {"You fool.": "harmful", "Bread and a song": "unharmful"}


def test_task_without_rows_of_both_labels_is_not_judged(folder: Path) -> None:
    assert Guard(folder).tasks == (Task.PROMPT_HARMFULNESS,)
    assert Guard(folder).check("Bake bread.", "No.").labels == Labels(prompt_harmfulness="unharmful")


def test_stored_floor_gives_the_probabilities_of_scikit_learn(folder: Path) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)  # its own words, not ours
    model = LogisticRegression(C=10.0, class_weight="balanced", solver="liblinear")
    model.fit(vectorizer.fit_transform([row.exchange.prompt for row in SAMPLES]), [1] * 4 + [0] * 4)
    texts = ["Mock the fool, fool!", "Sing about bread", "zebra"]
    expected = model.predict_proba(vectorizer.transform(texts))[:, 1]
    floor = Floor.model_validate_json((folder / "floor.json").read_bytes()).tasks[Task.PROMPT_HARMFULNESS]
    assert [probability(floor, text) for text in texts] == pytest.approx(list(expected), abs=1e-4)


def test_terms_are_words_and_each_two_that_follow() -> None:
    assert terms("A wise Fool, bakes") == ["wise", "fool", "bakes", "wise fool", "fool bakes"]


def test_threshold_moves_the_label(folder: Path) -> None:
    score = Guard(folder).check("You fool.").scores
    assert score is not None
    assert score.prompt_harmfulness is not None
    above = math.nextafter(score.prompt_harmfulness, 2)
    assert Guard(folder, thresholds={Task.PROMPT_HARMFULNESS: above}).check("You fool.").labels == Labels(
        prompt_harmfulness="unharmful"
    )


def test_other_words_are_other_weights(folder: Path, tmp_path: Path) -> None:
    train_floor(SAMPLES[1:], tmp_path)
    assert Guard(tmp_path).weights != Guard(folder).weights


def test_one_label_alone_teaches_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="4 rows, and no task has both labels among them"):
        train_floor(rows(MILD, "unharmful"), tmp_path)


def test_damaged_floor_is_named(tmp_path: Path) -> None:
    (tmp_path / "floor.json").write_text("{}")
    with pytest.raises(InputError, match=r"floor\.json: no floor that `guardreasoner floor` wrote: `name`"):
        Guard(tmp_path).check("Hello")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["prompt", "response", "prompt_harm"])
        writer.writerows([*((text, "", "harmful") for text in HARMFUL), *((text, "", "unharmful") for text in MILD)])
        writer.writerow(["Hello", "", ""])
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    texts = [("You fool.", "harmful"), ("Bake me a cake.", "unharmful"), ("Sing a song.", "unharmful")]
    made = [
        {"instruction": "", "input": f"Human user:\n{text}\n\nAI assistant:\nNone\n\n", "output": label}
        for text, label in texts
    ]
    (tmp_path / "0_8_toxic_chat.json").write_text(json.dumps(made), encoding="utf-8")
    refusal = [{"instruction": "", "input": "Human user:\nSing.\n\nAI assistant:\nNo.\n\n", "output": "refusal"}]
    (tmp_path / "0_7_xstest_response_refusal.json").write_text(json.dumps(refusal), encoding="utf-8")
    return tmp_path


def test_command_trains_on_a_table_and_counts_what_it_leaves_out(table: Path, tmp_path: Path) -> None:
    done = invoke("floor", "--train", table, "--output", tmp_path / "floor")
    assert done.exit_code == 0, done.output
    assert "9 rows, 8 taken, 1 without a label" in done.output
    assert "prompt_harmfulness  8     4" in done.output


def test_floor_runs_through_evaluate_and_says_what_it_leaves_out(folder: Path, data: Path, tmp_path: Path) -> None:
    done = invoke("evaluate", "--model", folder, "--data", data, "--output", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.output
    assert "left out: XSTest, bag-of-words does not judge response_refusal" in done.output
    (cell,) = json.loads((tmp_path / "out" / "report.json").read_text())["cells"]
    assert (cell["benchmark"], cell["score"]["f1"]) == ("ToxicChat", 1.0)


def test_always_positive_has_the_figures_of_the_base_column(data: Path, tmp_path: Path) -> None:
    done = invoke("evaluate", "--model", "always-positive", "--data", data, "--output", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.output
    cells = json.loads((tmp_path / "out" / "report.json").read_text())["cells"]
    assert [(cell["benchmark"], cell["score"]["f1"], cell["always_positive_f1"]) for cell in cells] == [
        ("ToxicChat", 0.5, 0.5), ("XSTest", 1.0, 1.0),
    ]  # fmt: skip


def test_output_that_is_a_file_is_one_sentence(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "taken").write_text("a file")
    assert status_of(["floor", "--train", str(table), "--output", str(tmp_path / "taken")]) == 2
    assert f"cannot make the folder {tmp_path}/taken: file exists" in capsys.readouterr().err


def test_samples_of_a_run_can_be_trained_on(tmp_path: Path) -> None:
    write_records(tmp_path / "train.jsonl", SAMPLES)
    done = invoke("floor", "--train", tmp_path / "train.jsonl", "--output", tmp_path / "floor")
    assert done.exit_code == 0, done.output
    assert Guard(tmp_path / "floor").check("You fool.").flagged


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("prompt,label\nHi,1\n", "found the columns prompt, label, expected prompt and one of prompt_harmfulness"),
        ("prompt,prompt_harm\nHi,bad\n", "`prompt_harm` holds 'bad', expected harmful or unharmful"),
    ],
)
def test_table_that_cannot_be_learned_from_says_why(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(text)
    done = invoke("floor", "--train", tmp_path / "rows.csv", "--output", tmp_path / "floor")
    assert isinstance(done.exception, InputError)
    assert says in str(done.exception)
