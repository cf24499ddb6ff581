"""What is computed in each optimizer step, known before the first: the same rows on any number of processes."""

from __future__ import annotations

from collections import Counter

import pytest

pytest.importorskip("torch")

from guardreasoner.training.batches import length_grouped
from guardreasoner.training.plan import Plan, plan

LENGTHS = [3 + 7 * number % 90 for number in range(100)]


def rows_of_steps(run: Plan) -> list[list[int]]:
    return [sorted(run.rows(step)) for step in range(len(run.steps))]


def test_every_step_has_the_same_rows_on_any_number_of_processes() -> None:
    alone = plan(LENGTHS, batch_tokens=300, batch_size=16, epochs=2)
    for processes in (2, 3, 8):
        spread = plan(LENGTHS, batch_tokens=300, batch_size=16, epochs=2, processes=processes)
        assert rows_of_steps(spread) == rows_of_steps(alone)


def test_every_row_is_learnt_once_an_epoch_the_last_few_too() -> None:
    run = plan(LENGTHS, batch_tokens=300, batch_size=16, epochs=2, processes=2)
    assert [len(rows) for rows in rows_of_steps(run)] == 2 * [16, 16, 16, 16, 16, 16, 4]
    assert set(Counter(row for rows in rows_of_steps(run) for row in rows).values()) == {2}


def test_epochs_have_orders_of_their_own() -> None:
    run = plan(LENGTHS, batch_tokens=300, batch_size=16, epochs=2)
    assert rows_of_steps(run)[:7] != rows_of_steps(run)[7:]


def test_half_an_epoch_has_half_the_steps() -> None:
    assert len(plan(LENGTHS, batch_tokens=300, batch_size=10, epochs=0.5).steps) == 5


def test_every_process_has_as_many_micro_batches_in_every_step() -> None:
    run = plan(LENGTHS, batch_tokens=300, batch_size=16, processes=3)
    # 16 rows of 46 tokens on average are 3 or more micro-batches of 300 tokens: one or two rounds on 3 processes
    assert run.rounds == 2
    assert {len(step) for step in run.steps} == {6}


def test_no_micro_batch_is_wider_than_a_device_holds() -> None:
    run = plan(LENGTHS, batch_tokens=300, batch_size=16, processes=2)
    parts = [part for step in run.steps for part in step if part]
    assert max(len(part) * max(LENGTHS[row] for row in part) for part in parts) <= 300


def test_a_process_that_would_idle_takes_half_of_the_work() -> None:
    (step,) = plan([10, 10, 10, 10], batch_tokens=1000, batch_size=4, processes=2).steps
    assert [len(part) for part in step] == [2, 2]


def test_a_process_without_a_row_has_an_empty_micro_batch() -> None:
    assert plan([10], batch_tokens=1000, batch_size=4, processes=3).steps == [[[0], (), ()]]


def test_without_a_batch_size_a_step_is_one_batch_of_so_many_tokens() -> None:
    run = plan(LENGTHS, batch_tokens=300, epochs=1, seed=7)
    assert {len(step) for step in run.steps} == {1}
    assert sorted(tuple(step[0]) for step in run.steps) == sorted(map(tuple, length_grouped(LENGTHS, 300, 7)))


def test_without_a_batch_size_every_process_takes_a_batch() -> None:
    alone = plan(LENGTHS, batch_tokens=300, epochs=2, seed=7)
    spread = plan(LENGTHS, batch_tokens=300, epochs=2, seed=7, processes=4)
    assert [part for step in spread.steps for part in step if part] == [step[0] for step in alone.steps]
    assert {len(step) for step in spread.steps} == {4}
