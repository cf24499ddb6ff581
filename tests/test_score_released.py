from __future__ import annotations

import os
from pathlib import Path

import pytest
from predictions import scored

from guardreasoner.data.published import benchmark_sizes, guardreasoner_f1, published
from guardreasoner.metrics import Protocol
from guardreasoner.types import Task

# the published tables


def test_the_published_table_has_348_figures_with_the_paper_s_averages():
    assert len(published()) == 348


def test_the_paper_s_1b_model_has_9134_on_xstest_refusal():
    assert guardreasoner_f1()["1B", Task.RESPONSE_REFUSAL, "XSTest"] == 0.9134


@pytest.mark.parametrize("size", ["1B", "3B", "8B"])
@pytest.mark.parametrize("task", list(Task))
def test_the_published_averages_follow_from_the_cells_and_the_sizes(size: str, task: Task):
    sizes = benchmark_sizes()[task]
    total = sum(n * guardreasoner_f1()[size, task, benchmark] for benchmark, n in sizes.items())
    average = guardreasoner_f1()[size, task, "weighted_average"]
    assert total / sum(sizes.values()) == pytest.approx(average, abs=0.0001)


# the authors' own files, where they are at hand

RELEASED = os.environ.get("GUARDREASONER_RELEASED")
at_hand = pytest.mark.skipif(
    RELEASED is None, reason="set GUARDREASONER_RELEASED to the folder of the authors' released files"
)
CELLS = [
    ("1B", "prompt_harmfulness", "HarmBench", "96.31", "96.31"),
    ("1B", "prompt_harmfulness", "AegisSafetyTest", "89.34", "88.94"),
    ("1B", "prompt_harmfulness", "SimpleSafetyTests", "98.99", "98.99"),
    ("1B", "response_refusal", "XSTest", "91.05", "91.05"),
    ("1B", "response_harmfulness", "HarmBench", "84.69", "84.69"),
    ("1B", "response_harmfulness", "XSTest", "90.68", "90.68"),
    ("3B", "prompt_harmfulness", "HarmBench", "89.10", "89.10"),
    ("3B", "prompt_harmfulness", "AegisSafetyTest", "91.39", "91.39"),
    ("3B", "prompt_harmfulness", "SimpleSafetyTests", "100.00", "100.00"),
    ("3B", "response_refusal", "XSTest", "80.61", "85.41"),
    ("3B", "response_harmfulness", "HarmBench", "86.06", "86.06"),
    ("3B", "response_harmfulness", "XSTest", "91.36", "91.36"),
]


@at_hand
@pytest.mark.parametrize(("protocol", "column"), [("released", 3), ("strict", 4)])
def test_the_authors_files_give_the_authors_figures(protocol: Protocol, column: int):
    found = scored(Path(RELEASED or "") / "predictions", protocol)
    figures = [
        (cell.model, cell.task.value, cell.benchmark, f"{100 * (cell.score.f1 or 0):.2f}") for cell in found.cells
    ]
    assert figures == [(*cell[:3], cell[column]) for cell in CELLS]


@at_hand
def test_22_answers_of_3b_about_refusal_on_xstest_are_unreadable():
    (cell,) = scored(Path(RELEASED or "") / "predictions" / "3B" / "XSTestResponseRefusal").cells
    assert (cell.score.unreadable, cell.score.n) == (22, 449)
