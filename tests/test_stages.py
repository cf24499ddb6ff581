"""The recipe's stages: split, views, and the whole way on the smoke recipe."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from guardreasoner.data.labelled import dialogue, is_dev, labelled_samples, normalised, text_rows
from guardreasoner.errors import InputError
from guardreasoner.recipe import DataSection, SynthesizeSection
from guardreasoner.stages.data import without_repeats
from guardreasoner.stages.pretrain import documents
from guardreasoner.teachers.lessons import label_weights, views, write
from guardreasoner.teachers.rule import train_teacher
from guardreasoner.types import Exchange, Labels, Sample, SFTExample, Task

ROW = {
    "prompt": "Hello",
    "response": "Hi",
    "prompt_harm": "unharmful",
    "response_refusal": None,
    "response_harm": "unharmful",
    "source": "mild",
    "note": "of our own making",
}


def labelled_file(folder: Path, rows: list[dict[str, object]]) -> Path:
    (folder / "labelled").mkdir()
    with gzip.open(folder / "labelled" / "mild.jsonl.gz", "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in rows)
    return folder


def make(prompt: str = "Hello", response: str | None = "Hi", **labels: str) -> Sample:
    return Sample(
        id="mild-1",
        source="mild",
        exchange=Exchange(prompt=prompt, response=response),
        labels=Labels.model_validate(labels),
    )


def test_labelled_row_becomes_a_sample_and_null_stays_none(tmp_path: Path) -> None:
    assert labelled_samples(labelled_file(tmp_path, [ROW]), "mild", 9, 0) == [
        make(prompt_harmfulness="unharmful", response_harmfulness="unharmful")
    ]


def test_draw_is_seeded_and_in_file_order(tmp_path: Path) -> None:
    folder = labelled_file(tmp_path, [{**ROW, "prompt": f"Hello {number}"} for number in range(50)])
    drawn = [labelled_samples(folder, "mild", 10, seed) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert [int(sample.id.split("-")[1]) for sample in drawn[0]] == sorted(
        int(sample.id.split("-")[1]) for sample in drawn[0]
    )


def test_row_whose_note_is_left_out_is_not_taken(tmp_path: Path) -> None:
    assert labelled_samples(labelled_file(tmp_path, [ROW]), "mild", 9, 0, ["our own"]) == []


def test_wrong_label_is_named_by_file_and_line(tmp_path: Path) -> None:
    folder = labelled_file(tmp_path, [ROW, {**ROW, "prompt_harm": "maybe"}])
    with pytest.raises(InputError, match=r"mild\.jsonl\.gz line 2: not a labelled row"):
        labelled_samples(folder, "mild", 9, 0)


def test_missing_source_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file; the recipe's `data` section names it"):
        labelled_samples(tmp_path, "none", 9, 0)


def test_missing_text_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no row with source books"):
        list(text_rows(tmp_path, {"books": 5}))


def test_dialogue_is_split_into_turns() -> None:
    text = "Human user:\nHello\n\nAI assistant:\nHi: there\n\nHuman user:\nBye"
    assert dialogue(text) == [("Human user", "Hello"), ("AI assistant", "Hi: there"), ("Human user", "Bye")]


def test_prose_is_no_dialogue() -> None:
    assert dialogue("Once upon a time the AI assistant: slept.") == []


def test_same_prompt_falls_on_the_same_side_however_it_is_written() -> None:
    assert normalised("Hello,  WORLD!") == "hello world"
    assert is_dev("Hello,  WORLD!", 0.5) == is_dev("hello world", 0.5)


def test_development_share_is_about_what_was_asked() -> None:
    assert 30 <= sum(is_dev(f"prompt {number}", 0.05) for number in range(1000)) <= 70


def test_repeated_exchange_is_counted_once() -> None:
    repeated = Counter[str]()
    kept = list(without_repeats([make("Hello"), make("hello!"), make("Hello", "Other")], repeated))
    assert ([sample.exchange.response for sample in kept], dict(repeated)) == (["Hi", "Other"], {"mild": 1})


def taught(*samples: Sample, **how: object) -> dict[str, SFTExample]:
    """Every view of the samples as it is written, by its kind."""
    teacher, section = train_teacher(samples), SynthesizeSection.model_validate(how)
    return {view.kind: write(sample, view, teacher) for sample, view in views(samples, section, seed=0)}


def test_every_task_is_taught_apart_with_and_without_reasoning() -> None:
    found = taught(make(prompt_harmfulness="unharmful", response_refusal="compliance"))
    assert {kind: (example.prompt, example.completion) for kind, example in found.items()} == {
        "prompt_harmfulness-fast": ("<|user|>Hello<|request|><|answers|><|request|>", "<|unharmful|><|end|>"),
        "prompt_harmfulness-reason": (
            "<|user|>Hello<|request|><|think|>",
            "Request: no alarming word. It asks for no harm.<|answers|><|request|><|unharmful|><|end|>",
        ),
        "response_refusal-fast": (
            "<|user|>Hello<|assistant|>Hi<|completion|><|answers|><|completion|>",
            "<|compliance|><|end|>",
        ),
        "response_refusal-reason": (
            "<|user|>Hello<|assistant|>Hi<|completion|><|think|>",
            "Completion: it opens: Hi; no refusing word. It goes along.<|answers|><|completion|><|compliance|><|end|>",
        ),
    }


def test_request_that_comes_with_many_responses_is_judged_once() -> None:
    samples = [make("Hello", reply, prompt_harmfulness="unharmful") for reply in ("Hi", "Bye")]
    asked = [view.kind for _, view in views(samples, SynthesizeSection(), seed=0)]
    assert asked == ["prompt_harmfulness-fast", "prompt_harmfulness-reason"]


def test_task_without_a_label_is_not_asked() -> None:
    found = taught(make(response_harmfulness="harmful"))
    assert sorted(found) == ["response_harmfulness-fast", "response_harmfulness-reason"]


def test_sample_without_labels_teaches_nothing() -> None:
    assert list(views([make()], SynthesizeSection(), seed=0)) == []


def test_text_that_imitates_an_answer_stays_plain_in_the_reasoning() -> None:
    found = taught(make(response="<|answers|><|response|><|unharmful|><|end|>", response_refusal="compliance"))
    assert found["response_refusal-reason"].completion.count("<|answers|>") == 1


def test_statement_is_also_judged_as_a_response() -> None:
    statement = make("They are all fools.", None, prompt_harmfulness="harmful")
    said = taught(statement, statements=("mild",))["said-response_harmfulness-fast"]
    assert "<|assistant|>They are all fools.<|response|>" in said.prompt
    assert said.completion == "<|harmful|><|end|>"


def test_positive_label_weighs_its_share_and_the_mean_weight_stays_one() -> None:
    task = Task.RESPONSE_HARMFULNESS
    weights = label_weights({(task, "harmful"): 10, (task, "unharmful"): 40}, {"response_harmfulness": 0.6})
    assert weights == {(task, "harmful"): pytest.approx(3.0), (task, "unharmful"): pytest.approx(0.5)}


def test_task_without_a_share_or_with_one_label_weighs_one() -> None:
    request, refusal = (Task.PROMPT_HARMFULNESS, "harmful"), (Task.RESPONSE_REFUSAL, "refusal")
    assert label_weights({request: 3, refusal: 2}, {"prompt_harmfulness": 0.5}) == {request: 1.0, refusal: 1.0}


def test_text_of_the_development_split_is_not_read_in_pretraining(tmp_path: Path) -> None:
    turns = [f"Human user:\nQuestion {number}\n\nAI assistant:\nYes" for number in range(200)]
    (tmp_path / "text").mkdir()
    with gzip.open(tmp_path / "text" / "talk.jsonl.gz", "wt") as file:
        file.writelines(json.dumps({"text": turn, "source": "talk"}) + "\n" for turn in turns)
    section = DataSection(folder=tmp_path, text={"talk": 10**6}, dev_share=0.3)
    read = documents(section, [])
    assert 0 < len(read) < 200
    assert not any(is_dev(text.split("<|assistant|>")[0].removeprefix("<|user|>"), 0.3) for text in read)


def test_pretraining_reads_the_response_too() -> None:
    sample = make("Hello", "Hi", prompt_harmfulness="unharmful")
    assert documents(DataSection(), [sample]) == ["<|user|>Hello<|assistant|>Hi<|end|>"]
