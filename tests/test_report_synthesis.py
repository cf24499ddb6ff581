"""The statistics of a synthesis, and the files that it leaves."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from synthesis import GOOD, answer, answers, example, reasoning, sample

from guardreasoner.errors import InputError
from guardreasoner.recipe import Recipe, SynthesizeSection
from guardreasoner.report.card import card, with_files
from guardreasoner.report.synthesis import Statistics, lines, markdown, show
from guardreasoner.run import RunFolder, read_records
from guardreasoner.stages.synthesize import write_outcome
from guardreasoner.types import Rejected, Sample, SFTExample, TeacherAnswer

PNG = b"\x89PNG\r\n"


@pytest.fixture
def statistics() -> Statistics:
    """Six steps, then nine, of 26, 25 and 27 characters; one step of four in another source."""
    found = Statistics()
    found.keep(example("1"))
    found.keep(example("2", completion=reasoning(3) + answers()))
    found.keep(example("1", "other", "# Task 1\nStep 1: Fine\n---\nAnswers:\nRequest: unharmful"))
    for reason, source in (("cut", "mild"), ("contradicts gold", "mild"), ("contradicts gold", "other")):
        found.find(reason, source)
    found.left_out = 3
    return found


def test_figures_per_source(statistics: Statistics) -> None:
    mild = statistics.sources["mild"]
    assert (mild.samples, mild.step_count, mild.mean_steps, mild.mean_longest) == (2, 15, 7.5, 2.5)
    assert mild.mean_length == pytest.approx((26 + 25 + 27) / 3)
    assert mild.steps == Counter({6: 1, 9: 1})


def test_total_sums_the_sources(statistics: Statistics) -> None:
    total = statistics.total
    assert (total.samples, total.step_count, total.mean_steps) == (3, 16, pytest.approx(16 / 3))


def test_answers_are_no_part_of_the_last_step(statistics: Statistics) -> None:
    assert statistics.sources["other"].lengths == Counter({4: 1})


def test_markdown_has_the_columns_of_the_papers_table(statistics: Statistics) -> None:
    page = markdown(statistics)
    assert (
        "| source | samples | steps | mean steps | longest task | mean length |\n|---|---:|---:|---:|---:|---:|" in page
    )
    assert "| mild | 2 | 15 | 7.50 | 2.50 | 26.00 |\n| other | 1 | 1 | 1.00 | 1.00 | 4.00 |\n| Total | 3 | 16 |" in page


def test_findings_stand_per_reason_and_source_in_the_order_of_the_filters(statistics: Statistics) -> None:
    assert "| reason | mild | other | total |" in markdown(statistics)
    assert "| contradicts gold | 1 | 1 | 2 |\n| cut | 1 | 0 | 1 |" in markdown(statistics)


def test_pipe_shows_columns_without_a_space_inside(statistics: Statistics) -> None:
    rows = [line.split() for line in lines(statistics) if not line.startswith("#")]
    assert rows[1] == ["mild", "2", "15", "7.50", "2.50", "26.00"]
    assert rows[5] == ["contradicts_gold", "1", "1", "2"]


def test_terminal_shows_both_tables_in_80_columns(statistics: Statistics) -> None:
    shown = io.StringIO()
    show(statistics, Console(file=shown, force_terminal=True, width=80, color_system=None))
    assert all(word in shown.getvalue() for word in ("mean steps", "longest task", "Rejected: 3", "contradicts gold"))
    assert max(map(len, shown.getvalue().splitlines())) <= 80


def test_statistics_of_nothing_are_dashes() -> None:
    assert "| Total | 0 | 0 | - | - | - |" in markdown(Statistics())


def recipe(folder: Path, **section: object) -> Recipe:
    return Recipe(name="mild data", output=folder, synthesize=SynthesizeSection.model_validate(section))


def pairs(count: int) -> Iterator[tuple[Sample, TeacherAnswer]]:
    """Every fifth answer contradicts gold."""
    for number in range(count):
        text = reasoning() + answers(request="harmful") if number % 5 == 0 else GOOD
        yield sample(f"How do I bake bread number {number}?", id=str(number)), answer(text, id=str(number))


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


WRITTEN = {
    "reasoning.jsonl",
    "rejected.jsonl",
    "statistics.md",
    "README.md",
    "histograms/steps.png",
    "histograms/lengths.png",
}


def test_outcome_leaves_examples_rejections_statistics_pictures_and_card(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = write_outcome(recipe(tmp_path), RunFolder(tmp_path), pairs(10), total=10)
    assert counts == {
        "kept": 8,
        "left out": 2,
        "kept per source": {"mild": 8},
        "found": {"contradicts gold": {"mild": 2}},
    }
    assert names(tmp_path) == WRITTEN
    assert [row.id for row in read_records(tmp_path / "rejected.jsonl", Rejected)] == ["0", "5"]
    assert [row.id for row in read_records(tmp_path / "reasoning.jsonl", SFTExample)] == list("12346789")
    assert all(path.read_bytes().startswith(PNG) for path in (tmp_path / "histograms").iterdir())
    assert "mean_steps" in capsys.readouterr().out


def test_keep_all_rejects_nothing_that_has_text(tmp_path: Path) -> None:
    counts = write_outcome(recipe(tmp_path, keep="all"), RunFolder(tmp_path), pairs(10))
    assert (counts["kept"], counts["left out"], counts["found"]) == (10, 0, {"contradicts gold": {"mild": 2}})
    assert (tmp_path / "rejected.jsonl").read_bytes() == b""


def test_outcome_of_which_nothing_is_kept_has_a_card_without_pictures(tmp_path: Path) -> None:
    write_outcome(recipe(tmp_path), RunFolder(tmp_path), [(sample(), answer("", "failed"))])
    assert names(tmp_path) == WRITTEN
    assert "![" not in (tmp_path / "README.md").read_text()


def test_when_the_answers_break_off_nothing_is_left(tmp_path: Path) -> None:
    def broken() -> Iterator[tuple[Sample, TeacherAnswer]]:
        yield from pairs(3)
        raise InputError("answers.jsonl line 4: not a TeacherAnswer")

    with pytest.raises(InputError, match="line 4"):
        write_outcome(recipe(tmp_path), RunFolder(tmp_path), broken())
    assert names(tmp_path) == set()


KILLED = """
import sys, time
from pathlib import Path
from test_report_synthesis import pairs, recipe
from guardreasoner.run import RunFolder
from guardreasoner.stages.synthesize import write_outcome
def slow():
    for number, pair in enumerate(pairs(2000)):
        time.sleep(0.01 if number > 1000 else 0)
        yield pair
folder = Path(sys.argv[1])
write_outcome(recipe(folder), RunFolder(folder), slow())
"""


def test_outcome_that_was_killed_is_written_anew(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], env=environment)
    writing = tmp_path / "reasoning.jsonl.writing"
    for _ in range(3000):
        if writing.is_file() and writing.stat().st_size > 100_000:
            break
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "reasoning.jsonl").exists()
    write_outcome(recipe(tmp_path), RunFolder(tmp_path), pairs(10))
    assert names(tmp_path) == WRITTEN


def test_card_has_front_matter_that_the_hub_reads_and_no_licence(statistics: Statistics, tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    statistics.keep(example("3", 'a "source": of | many #words'))
    page = card(recipe(tmp_path), statistics, {"mild": "CC-BY-4.0"})
    read = hub.DatasetCard(page).data.to_dict()
    assert read["configs"] == [
        {"config_name": "default", "data_files": [{"split": "train", "path": "reasoning.jsonl"}]}
    ]
    assert (read["pretty_name"], read["size_categories"], "license" in read) == ("mild data", ["n<1K"], False)
    assert "| mild | CC-BY-4.0 | 2 |\n| other | not stated | 1 |" in page


def test_card_says_whether_prompts_were_compared_with_benchmarks(statistics: Statistics, tmp_path: Path) -> None:
    said = "Prompts were not compared with any benchmark's."
    assert said in card(recipe(tmp_path), statistics)
    assert said not in card(recipe(tmp_path, benchmarks=tmp_path), statistics)


def test_run_folder_opens_as_a_data_set_by_its_card(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    write_outcome(recipe(tmp_path), RunFolder(tmp_path), pairs(10))
    found = datasets.load_dataset(str(tmp_path), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in found.items()} == {"train": 8}


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("", "---\nCONFIGS\n---\n\n"),
        ("# Mine\n", "---\nCONFIGS\n---\n\n# Mine\n"),
        ("---\nlicense: mit\nconfigs: [1]\n---\n\n# Mine\n", "---\nlicense: mit\nCONFIGS\n---\n\n# Mine\n"),
        ("---\nconfigs:\n- a: 1\n  b: 2\nlicense: mit\n---\nx", "---\nCONFIGS\nlicense: mit\n---\nx"),
        ("---\nlicense: mit\n---\nx", "---\nlicense: mit\nCONFIGS\n---\nx"),
    ],
)
def test_card_is_told_other_files_and_keeps_what_its_owner_wrote(page: str, expected: str) -> None:
    line = 'configs: [{"config_name": "default", "data_files": [{"split": "train", "path": "a.json"}]}]'
    assert with_files(page, {"train": "a.json"}) == expected.replace("CONFIGS", line)
