"""Losses by hand, batches, and a run that goes on after kill -9."""

import math

import pytest

torch = pytest.importorskip("torch")

from transformers import LlamaConfig, LlamaForCausalLM  # noqa: E402

from guardreasoner.recipe import PretrainSection  # noqa: E402
from guardreasoner.training.batches import collate, length_grouped  # noqa: E402
from guardreasoner.training.embeddings import word_vectors  # noqa: E402
from guardreasoner.training.losses import sft_loss, token_losses  # noqa: E402
from guardreasoner.training.optimizers import Together, optimizer_of  # noqa: E402
from guardreasoner.training.packing import Example, Row, line, pack  # noqa: E402

# Two states over a vocabulary of two; the identity as head, so states are logits.
HIDDEN = torch.tensor([[[0.0, 0.0], [math.log(3), 0.0]], [[0.0, math.log(4)], [9.0, 9.0]]])
# One prompt, three texts that go on from it or from a part of it, and one that shares nothing.
EXAMPLES = [
    Example([5, 6, 7, 8, 9, 10], 4, 2.0),
    Example([5, 6, 7, 11, 12], 4),
    Example([5, 6, 7, 8, 20, 21, 22], 4),
    Example([1, 2, 3], 1),
]


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(vocab_size=50, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2)
    )


def loss_of(model: LlamaForCausalLM, rows: list[Row]) -> torch.Tensor:
    batch = collate(rows)
    hidden = model.model(
        input_ids=batch["input_ids"],
        position_ids=batch["position_ids"],
        attention_mask=batch.get("attention_mask"),
    ).last_hidden_state
    losses = token_losses(hidden, batch["before"], batch["targets"], model.lm_head)
    return sft_loss(losses, batch["weights"], batch["units"])


def losses_alone(model: LlamaForCausalLM, example: Example) -> list[torch.Tensor]:
    logs = model(input_ids=torch.tensor([example.ids])).logits[0].log_softmax(-1)
    return [-logs[at - 1, example.ids[at]] for at in range(example.prompt, len(example.ids))]


def test_loss_of_each_learnt_token_is_its_negative_log_probability() -> None:
    losses = token_losses(HIDDEN, torch.tensor([0, 1, 2]), torch.tensor([0, 0, 1]), lambda hidden: hidden)
    assert losses.tolist() == pytest.approx([math.log(2), math.log(4 / 3), math.log(5 / 4)])


def test_sft_loss_is_the_weighted_sum_over_the_units() -> None:
    assert sft_loss(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 0.5]), torch.tensor(2)).item() == 1.75


def test_shared_beginnings_stand_in_a_row_once() -> None:
    rows = list(pack(EXAMPLES, 100))
    assert [len(row.ids) for row in rows] == [11, 3]  # 18 and 3 tokens apart
    assert list(rows[0].ids) == [5, 6, 7, 8, 9, 10, 11, 12, 20, 21, 22]
    assert list(rows[0].parents) == [-1, 0, 1, 2, 3, 4, 2, 6, 3, 8, 9]
    assert list(rows[0].depths) == [0, 1, 2, 3, 4, 5, 3, 4, 4, 5, 6]
    assert list(rows[0].learnt) == [4, 5, 7, 8, 9, 10]


def test_row_never_grows_past_the_longest_allowed() -> None:
    assert [len(row.ids) for row in pack(EXAMPLES, 8)] == [8, 7, 3]


def test_packed_rows_have_the_loss_of_their_examples_alone_averaged_by_row(model: LlamaForCausalLM) -> None:
    each = [(example.weight, losses_alone(model, example)) for example in EXAMPLES]
    alone = sum(weight * sum(losses) / len(losses) for weight, losses in each) / 4
    torch.testing.assert_close(loss_of(model, list(pack(EXAMPLES, 100, "row"))), alone)


def test_packed_rows_have_the_loss_of_their_examples_alone_averaged_by_token(model: LlamaForCausalLM) -> None:
    each = [(example.weight, losses_alone(model, example)) for example in EXAMPLES]
    alone = sum(weight * sum(losses) for weight, losses in each) / 8
    torch.testing.assert_close(loss_of(model, list(pack(EXAMPLES, 100, "token"))), alone)


def test_loss_of_plain_text_equals_transformers_own(model: LlamaForCausalLM) -> None:
    ids = [5, 6, 7, 8, 9]
    theirs = model(input_ids=torch.tensor([ids]), labels=torch.tensor([ids])).loss
    torch.testing.assert_close(loss_of(model, [line(ids)]), theirs)


def test_plain_rows_need_no_mask_and_padding_is_not_learnt() -> None:
    batch = collate([line([5, 6, 7, 8]), line([9, 4])])
    assert "attention_mask" not in batch
    assert batch["input_ids"].tolist() == [[5, 6, 7, 8], [9, 4, 0, 0]]
    assert (batch["before"].tolist(), batch["targets"].tolist()) == ([0, 1, 2, 4], [6, 7, 8, 4])


def test_words_used_alike_start_with_like_vectors() -> None:
    # 1 and 2 stand between the same words, 3 between others
    import numpy as np

    stream = np.tile(np.array([4, 1, 5, 4, 2, 5, 6, 3, 7], dtype=np.int32), 50)
    vectors = word_vectors(stream, vocab_size=10, width=4, std=0.02, seed=0)
    assert vectors.shape == (10, 4)
    assert vectors.norm(dim=1).tolist() == pytest.approx([0.04] * 10)
    like = torch.nn.functional.cosine_similarity
    assert like(vectors[1], vectors[2], dim=0) > like(vectors[1], vectors[3], dim=0) + 0.5


def test_muon_moves_the_matrices_and_adamw_the_rest(model: LlamaForCausalLM) -> None:
    optimizer = optimizer_of(model, PretrainSection(optimizer="muon"))
    assert isinstance(optimizer, Together)
    held = [{id(weight) for group in part.param_groups for weight in group["params"]} for part in optimizer.parts]
    matrix, embedding = model.model.layers[0].mlp.up_proj.weight, model.model.embed_tokens.weight
    assert [id(matrix) in each for each in held] == [True, False]
    assert [id(embedding) in each for each in held] == [False, True]


def test_optimizer_that_is_kept_and_loaded_goes_on_as_before() -> None:
    def steps(model: LlamaForCausalLM, optimizer: torch.optim.Optimizer, count: int) -> None:
        for _ in range(count):
            model(input_ids=torch.tensor([[5, 6, 7]]), labels=torch.tensor([[5, 6, 7]])).loss.backward()
            optimizer.step()
            optimizer.zero_grad()

    def fresh() -> tuple[LlamaForCausalLM, torch.optim.Optimizer]:
        torch.manual_seed(1)
        config = LlamaConfig(
            vocab_size=20, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
        )
        model = LlamaForCausalLM(config)
        return model, optimizer_of(model, PretrainSection(optimizer="muon"))

    straight, its_optimizer = fresh()
    steps(straight, its_optimizer, 4)
    first, first_optimizer = fresh()
    steps(first, first_optimizer, 2)
    second, second_optimizer = fresh()
    second.load_state_dict(first.state_dict())
    second_optimizer.load_state_dict(first_optimizer.state_dict())
    steps(second, second_optimizer, 2)
    for mine, other in zip(straight.parameters(), second.parameters(), strict=True):
        assert torch.equal(mine, other)


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
