from __future__ import annotations

from pathlib import Path

import pytest
from predictions import answer, scored, write, write_aegis

from guardreasoner.errors import InputError
from guardreasoner.report.predictions import FILE_NAME, read_cells
from guardreasoner.report.scores import paper_size
from guardreasoner.types import Task


@pytest.fixture
def aegis(tmp_path: Path) -> Path:
    return write_aegis(tmp_path)


# which cell a file is


def test_the_cell_is_read_from_the_folders(aegis: Path):
    (cell,) = scored(aegis).cells
    assert (cell.model, cell.task, cell.benchmark) == ("1B", Task.PROMPT_HARMFULNESS, "AegisSafetyTest")


@pytest.mark.parametrize("name", ["XSTestReponseHarmful", "XSTestResponseHarmful"])
def test_xstest_is_found_under_the_upstream_spelling_and_the_right_one(tmp_path: Path, name: str):
    (cell,) = scored(write(tmp_path / "1B" / name, [("harmful", answer("harmful", "compliance", "harmful"))])).cells
    assert (cell.task, cell.benchmark) == (Task.RESPONSE_HARMFULNESS, "XSTest")


def test_a_tree_gives_every_cell_below_it_once(aegis: Path, tmp_path: Path):
    write(tmp_path / "3B" / "AegisSafetyTest", [("harmful", answer("harmful"))])
    cells = read_cells([tmp_path, aegis, aegis.parent], "strict")
    assert [cell.model for cell in cells] == ["1B", "3B"]


def test_refusal_labels_tell_the_task_of_an_unknown_folder(tmp_path: Path):
    (cell,) = scored(
        write(tmp_path / "mine" / "own-set", [("refusal", answer("harmful", "refusal", "unharmful"))])
    ).cells
    assert (cell.task, cell.benchmark, cell.paper_f1) == (Task.RESPONSE_REFUSAL, "own-set", None)


def test_harmful_labels_of_an_unknown_folder_need_the_task(tmp_path: Path):
    path = write(tmp_path / "mine" / "own-set", [("harmful", answer("harmful"))])
    with pytest.raises(InputError, match=r"'own-set' is no known benchmark .* say --task, one of prompt_harmfulness"):
        scored(path)


def test_the_task_of_an_unknown_folder_can_be_said(tmp_path: Path):
    path = write(tmp_path / "mine" / "own-set", [("harmful", answer("harmful"))])
    (cell,) = scored(path, task=Task.PROMPT_HARMFULNESS).cells
    assert (cell.task, cell.score.f1) == (Task.PROMPT_HARMFULNESS, 1.0)


def test_an_unknown_benchmark_is_in_no_mean(tmp_path: Path):
    path = write(tmp_path / "mine" / "own-set", [("harmful", answer("harmful"))])
    assert scored(path, task=Task.PROMPT_HARMFULNESS).means == ()


def test_a_label_may_be_an_answer_block_as_in_beavertails(tmp_path: Path):
    label = "Answers: \nRequest: None\nCompletion: None\nResponse: harmful\n"
    path = write(tmp_path / "8B" / "BeaverTails", [(label, answer("harmful", "compliance", "harmful"))])
    (cell,) = scored(path).cells
    assert (cell.score.counts.tp, cell.paper_f1) == (1, 0.876)


def test_a_file_with_blocks_for_three_tasks_gives_three_cells_of_the_annotated_rows(tmp_path: Path):
    rows = [
        (answer("harmful", "refusal", "unharmful"), answer("harmful", "refusal", "unharmful")),
        (answer("harmful"), answer("harmful")),
    ]
    cells = scored(write(tmp_path / "1B" / "WildGuardTest", rows)).cells
    assert [(cell.task.value, cell.score.n) for cell in cells] == [
        ("prompt_harmfulness", 2),
        ("response_refusal", 1),
        ("response_harmfulness", 1),
    ]


@pytest.mark.parametrize(
    ("model", "size"),
    [
        ("1B", "1B"),
        ("GuardReasoner-8B", "8B"),
        ("my_3b_run", "3B"),
        ("1bit", None),
        ("11B", None),
        ("nano", None),
        ("v2-3b", "3B"),
    ],
)
def test_the_paper_s_row_is_found_by_the_size_in_the_model_s_name(model: str, size: str | None):
    assert paper_size(model) == size


# the two protocols


def test_strict_counts_every_unreadable_answer_once_as_wrong(aegis: Path):
    (cell,) = scored(aegis).cells
    counts = cell.score.counts
    assert (counts.tp, counts.fp, counts.fn, counts.tn, cell.score.unreadable, cell.score.n) == (2, 1, 2, 1, 2, 6)


def test_released_drops_one_unreadable_answer_and_counts_the_other_twice(aegis: Path):
    (cell,) = scored(aegis, "released").cells
    counts = cell.score.counts
    assert (counts.tp, counts.fp, counts.fn, counts.tn, cell.score.unreadable, cell.score.n) == (2, 2, 1, 1, 2, 6)


def test_the_paper_s_figure_stands_beside(aegis: Path):
    (cell,) = scored(aegis).cells
    assert cell.paper_f1 == 0.8934


def test_the_interval_of_a_cell_does_not_depend_on_the_others(aegis: Path, tmp_path: Path):
    alone = scored(aegis).cells[0].score.f1_interval
    write(tmp_path / "1B" / "ToxicChat", [("harmful", answer("harmful")), ("harmful", answer())])
    assert scored(tmp_path).cells[1].score.f1_interval == alone


def test_the_mean_weighs_the_cells_by_the_published_sizes_and_names_the_missing(tmp_path: Path):
    write(tmp_path / "1B" / "AegisSafetyTest", [("harmful", answer("harmful"))])
    write(tmp_path / "1B" / "SimpleSafetyTests", [("harmful", answer("unharmful"))])
    (mean,) = scored(tmp_path).means
    assert mean.f1 == pytest.approx(359 / 459)
    assert mean.paper_f1 == pytest.approx((359 * 0.8934 + 100 * 0.9899) / 459)
    assert mean.missing == ("ToxicChat", "HarmBench", "OpenAIModeration", "WildGuardTest")


# one clear sentence


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "the file is empty, expected rows of prompt, label and predict"),
        ('{"label": "harmful", "predict": ""}\n{"label":', "line 2: not valid JSON: Expecting value at column 10"),
        ('{"label": "harmful"}', "line 1: no `predict`, expected the keys prompt, label and predict"),
        ('{"label": null, "predict": ""}', "line 1: `label` is NoneType, expected text"),
        ("[1]", "line 1: expected a JSON object, found list"),
        (
            '{"label": "bad", "predict": ""}',
            "line 1: label 'bad' is no answer to prompt_harmfulness, expected harmful or unharmful",
        ),
    ],
)
def test_a_file_that_cannot_be_scored_is_one_sentence_with_its_place(tmp_path: Path, content: str, sentence: str):
    path = tmp_path / "1B" / "ToxicChat" / FILE_NAME
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        scored(path)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).endswith(sentence)
    assert "\n" not in str(caught.value)


def test_a_missing_path_is_one_sentence(tmp_path: Path):
    with pytest.raises(InputError, match=r"nowhere: no such file or folder$"):
        scored(tmp_path / "nowhere")


def test_a_name_too_long_for_the_system_is_one_sentence(tmp_path: Path):
    with pytest.raises(InputError, match=r"no such file or folder$"):
        scored(tmp_path / ("x" * 5000))


def test_a_folder_without_predictions_is_one_sentence(tmp_path: Path):
    with pytest.raises(InputError, match=r"no generated_predictions.jsonl in this folder or below it$"):
        scored(tmp_path)


def test_two_files_for_one_cell_are_one_sentence(aegis: Path, tmp_path: Path):
    write(tmp_path / "again" / "1B" / "AegisSafetyTest", [("harmful", answer("harmful"))])
    with pytest.raises(InputError, match=r"a second file for AegisSafetyTest, prompt_harmfulness, model 1B, after "):
        scored(tmp_path)


def test_a_file_annotated_for_none_of_its_tasks_is_one_sentence(tmp_path: Path):
    path = write(tmp_path / "1B" / "BeaverTails", [(answer("harmful"), answer("harmful"))])
    with pytest.raises(InputError, match=r"no row is annotated for response_harmfulness$"):
        scored(path)
