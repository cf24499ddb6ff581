"""Losses by hand, batches, and a run that goes on after kill -9."""

import math
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from guardreasoner.training.batches import Row, collate, length_grouped  # noqa: E402
from guardreasoner.training.losses import IGNORE, sft_loss  # noqa: E402
from guardreasoner.training.trainer import last_checkpoint  # noqa: E402

# Two states over a vocabulary of two; the identity as head, so states are logits.
HIDDEN = torch.tensor([[[0.0, 0.0], [math.log(3), 0.0], [9.0, 9.0]], [[0.0, math.log(4)], [9.0, 9.0], [9.0, 9.0]]])
LABELS = torch.tensor([[IGNORE, 0, 0], [IGNORE, 1, IGNORE]])
# -log P: row 1: log 2 and -log(3/4); row 2: -log(4/5)
EACH = [math.log(2), math.log(4 / 3), math.log(5 / 4)]


def same(hidden: torch.Tensor) -> torch.Tensor:
    return hidden


def test_token_average_weighs_every_labelled_token_the_same() -> None:
    assert sft_loss(HIDDEN, LABELS, same, "token").item() == pytest.approx(sum(EACH) / 3)


def test_row_average_weighs_every_example_the_same() -> None:
    assert sft_loss(HIDDEN, LABELS, same, "row").item() == pytest.approx(((EACH[0] + EACH[1]) / 2 + EACH[2]) / 2)


def test_loss_equals_transformers_own_on_the_same_labels() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(vocab_size=50, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2)
    )
    batch = collate([Row([5, 6, 7, 8, 9], 2), Row([5, 6, 7], 1)])
    hidden = model.model(input_ids=batch["input_ids"]).last_hidden_state
    theirs = model(input_ids=batch["input_ids"], labels=batch["labels"]).loss
    torch.testing.assert_close(sft_loss(hidden, batch["labels"], model.lm_head), theirs)


def test_padding_on_the_right_changes_no_state() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(vocab_size=50, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2)
    )
    padded = collate([Row([5, 6, 7], 1), Row([5, 6, 7, 8, 9], 2)])["input_ids"]
    alone = collate([Row([5, 6, 7], 1)])["input_ids"]
    torch.testing.assert_close(
        model.model(input_ids=padded).last_hidden_state[:1, :3], model.model(input_ids=alone).last_hidden_state
    )


def test_prompt_and_padding_carry_no_label() -> None:
    batch = collate([Row([5, 6, 7, 8], 2), Row([9, 4], 1)])
    assert batch["input_ids"].tolist() == [[5, 6, 7, 8], [9, 4, 0, 0]]
    assert batch["labels"].tolist() == [[IGNORE, IGNORE, 7, 8], [IGNORE, 4, IGNORE, IGNORE]]


def test_every_row_is_in_one_batch_and_no_batch_is_too_wide() -> None:
    lengths = [3 + 7 * number % 90 for number in range(500)]
    batches = length_grouped(lengths, 300, seed=1)
    assert sorted(row for batch in batches for row in batch) == list(range(500))
    assert all(max(lengths[row] for row in batch) * len(batch) <= 300 for batch in batches if len(batch) > 1)


def test_grouping_by_length_keeps_padding_small() -> None:
    lengths = [3 + 7 * number % 90 for number in range(500)]
    batches = length_grouped(lengths, 900, seed=1)
    padded = sum(max(lengths[row] for row in batch) * len(batch) for batch in batches)
    assert sum(lengths) / padded > 0.8


def test_a_row_longer_than_a_batch_gets_one_of_its_own() -> None:
    assert sorted(map(sorted, length_grouped([500, 3, 3], 10, seed=0))) == [[0], [1, 2]]


def test_weights_multiply_what_a_row_adds() -> None:
    weighted = sft_loss(HIDDEN, LABELS, same, "row", torch.tensor([2.0, 0.5]))
    assert weighted.item() == pytest.approx(((EACH[0] + EACH[1]) / 2 * 2 + EACH[2] * 0.5) / 2)


def test_weights_multiply_tokens_too() -> None:
    weighted = sft_loss(HIDDEN, LABELS, same, "token", torch.tensor([2.0, 0.5]))
    assert weighted.item() == pytest.approx((2 * EACH[0] + 2 * EACH[1] + 0.5 * EACH[2]) / 3)


def test_torn_checkpoint_is_passed_over(tmp_path: Path) -> None:
    for name, state in (("checkpoint-9", '{"global_step": 9}'), ("checkpoint-10", '{"glob')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "trainer_state.json").write_text(state)
    (tmp_path / "checkpoint-11").mkdir()
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-9"


def test_no_checkpoint_is_a_new_beginning(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path / "missing") is None
