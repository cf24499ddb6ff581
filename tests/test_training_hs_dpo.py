"""The HS-DPO loss by hand, its gradients, pairs as rows, and TRL's DPOTrainer as the other opinion."""

import math
import warnings
from pathlib import Path

import pytest
from tiny import make_tiny_checkpoint

torch = pytest.importorskip("torch")

from transformers import AutoTokenizer, LlamaForCausalLM  # noqa: E402

from guardreasoner.training.losses import answer_sums, hs_dpo_loss, preference_margins, token_losses  # noqa: E402
from guardreasoner.training.pairs import PairRow, collate_pairs, pair_row  # noqa: E402

# Two pairs: log P of the chosen and the rejected answer, and both under the reference.
CHOSEN, REJECTED = torch.tensor([-10.0, -8.0]), torch.tensor([-12.0, -4.0])
REFERENCE = torch.tensor([[-11.0, -11.0], [-6.0, -6.0]])
LENGTHS = torch.tensor([5, 4])
PROMPTS = ["<|user|>How do I bake bread?<|request|>", "<|user|>Tell me a story about a cat.<|request|>"]
LONG, SHORT = "<|unharmful|> It asks how to bake bread.<|end|>", "<|harmful|> Rye.<|end|>"


def loss_of_two(weights: list[float], sft_weight: float) -> list[float]:
    return hs_dpo_loss(
        CHOSEN, REJECTED, REFERENCE, torch.tensor(weights), LENGTHS, beta=0.5, sft_weight=sft_weight
    ).tolist()


def test_margin_is_how_much_more_the_chosen_answer_gained_over_the_reference() -> None:
    # 0.5 * ((-10 + 11) - (-12 + 11)) = 1, 0.5 * ((-8 + 6) - (-4 + 6)) = -2
    assert preference_margins(CHOSEN, REJECTED, REFERENCE, 0.5).tolist() == [1.0, -2.0]


def test_hs_dpo_loss_of_two_pairs_by_hand() -> None:
    # 1.2 * log(1 + e^-1) + 2 * 10 / 5 = 1.2 * 0.3132617 + 4;  0.8 * log(1 + e^2) + 2 * 8 / 4 = 0.8 * 2.1269280 + 4
    assert loss_of_two([1.2, 0.8], 2.0) == pytest.approx([4.3759140, 5.7015424], abs=1e-6)


def test_weight_falls_on_the_preference_alone() -> None:
    heavy, plain = loss_of_two([1.2, 1.2], 2.0), loss_of_two([1.0, 1.0], 2.0)
    assert [a - b for a, b in zip(heavy, plain, strict=True)] == pytest.approx([0.0626523, 0.4253856], abs=1e-6)


def test_gamma_of_zero_is_plain_dpo() -> None:
    # all weights are 1: -log sigmoid(1) and -log sigmoid(-2), the loss of Rafailov et al. (2023)
    assert loss_of_two([1.0, 1.0], 0.0) == pytest.approx([math.log1p(math.exp(-1)), math.log1p(math.exp(2))])


def test_gradients_are_those_of_finite_differences() -> None:
    chosen, rejected = CHOSEN.double().requires_grad_(), REJECTED.double().requires_grad_()
    weights = torch.tensor([1.2, 0.8], dtype=torch.float64)

    def loss(chosen: torch.Tensor, rejected: torch.Tensor) -> torch.Tensor:
        return hs_dpo_loss(chosen, rejected, REFERENCE.double(), weights, LENGTHS, beta=0.5, sft_weight=2.0)

    assert torch.autograd.gradcheck(loss, (chosen, rejected))


def test_gradient_of_the_first_pair_by_hand() -> None:
    chosen, rejected = CHOSEN.clone().requires_grad_(), REJECTED.clone().requires_grad_()
    hs_dpo_loss(
        chosen, rejected, REFERENCE, torch.tensor([1.2, 0.8]), LENGTHS, beta=0.5, sft_weight=2.0
    ).sum().backward()
    # -alpha * beta * sigmoid(-margin) - 2 / 5 with sigmoid(-1) = 0.2689414; the rejected answer has no SFT term
    assert chosen.grad is not None
    assert rejected.grad is not None
    assert chosen.grad[0].item() == pytest.approx(-0.5613648, abs=1e-6)
    assert rejected.grad[0].item() == pytest.approx(0.1613648, abs=1e-6)


def test_losses_of_an_answers_tokens_sum_to_its_log_probability() -> None:
    losses = torch.tensor([0.5, 0.25, 1.0, 2.0, 4.0])
    assert answer_sums(losses, torch.tensor([0, 0, 1, 2, 2]), 4).tolist() == [-0.75, -1.0, -6.0, 0.0]


def test_a_pair_is_one_row_that_holds_its_prompt_once() -> None:
    row = pair_row([5, 6, 7], [8, 9], [8, 10, 11], 1.1)
    assert list(row.ids) == [5, 6, 7, 8, 9, 8, 10, 11]
    assert list(row.parents) == [-1, 0, 1, 2, 3, 2, 5, 6]
    assert list(row.depths) == [0, 1, 2, 3, 4, 3, 4, 5]
    assert (list(row.learnt), row.chosen, row.units) == ([3, 4, 5, 6, 7], 2, 1)


def test_batch_says_to_which_answer_each_learnt_token_belongs() -> None:
    batch = collate_pairs([pair_row([5, 6], [8, 9], [7], 1.1), pair_row([5], [8], [9, 10, 11], 0.9)])
    assert batch["answers"].tolist() == [0, 0, 1, 2, 3, 3, 3]
    assert batch["targets"].tolist() == [8, 9, 7, 8, 9, 10, 11]
    assert batch["lengths"].tolist() == [2, 1]
    assert batch["alphas"].tolist() == pytest.approx([1.1, 0.9])
    assert batch["units"].item() == 2
    assert "reference" not in batch


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two models of one shape: the one that is trained, and the reference."""
    root = tmp_path_factory.mktemp("models")
    return [make_tiny_checkpoint(root / f"{seed}", seed=seed) for seed in (0, 1)]


def log_probs(model: LlamaForCausalLM, rows: list[PairRow]) -> torch.Tensor:
    """[pairs, 2]: of chosen and rejected, packed."""
    batch = collate_pairs(rows)
    hidden = model.model(
        input_ids=batch["input_ids"], position_ids=batch["position_ids"], attention_mask=batch["attention_mask"]
    ).last_hidden_state
    losses = token_losses(hidden, batch["before"], batch["targets"], model.lm_head)
    return answer_sums(losses, batch["answers"], 2 * len(rows)).view(-1, 2)


def test_answers_of_packed_pairs_have_the_log_probabilities_that_they_have_alone(folders: list[Path]) -> None:
    model = LlamaForCausalLM.from_pretrained(folders[0])
    texts = [([5, 6, 7, 8], [9, 10, 11], [9, 12]), ([20, 21], [22], [23, 24, 25, 26, 27])]

    def alone(prompt: list[int], answer: list[int]) -> float:
        logs = model(input_ids=torch.tensor([prompt + answer])).logits[0].double().log_softmax(-1)
        return sum(logs[len(prompt) + n - 1, token].item() for n, token in enumerate(answer))

    packed = log_probs(model, [pair_row(*text, 1.0) for text in texts])
    expected = [[alone(prompt, answer) for answer in answers] for prompt, *answers in texts]
    torch.testing.assert_close(packed, torch.tensor(expected), rtol=1e-5, atol=1e-5)


class Comparison:
    """Our loss and TRL's, with their gradients, on what TRL's own collator makes of `pairs` in batches of `size`.

    TRL's batches are averaged, as its trainer averages those of one optimizer step.
    """

    def __init__(self, folders: list[Path], out: Path, pairs: list[tuple[str, str, str]], size: int, sft: bool) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of TRL and of what it imports
            from datasets import Dataset, disable_progress_bars
            from trl import DPOConfig, DPOTrainer

            disable_progress_bars()
            model, reference = (LlamaForCausalLM.from_pretrained(folder) for folder in folders)
            trainer = DPOTrainer(
                model,
                reference,
                DPOConfig(
                    output_dir=str(out),
                    beta=0.01,
                    loss_type=["sigmoid", "sft"] if sft else ["sigmoid"],
                    loss_weights=[1.0, 2.0] if sft else [1.0],
                    per_device_train_batch_size=size,
                    bf16=False,
                    gradient_checkpointing=False,
                    use_cpu=True,
                    report_to="none",
                ),
                train_dataset=Dataset.from_list(
                    [dict(zip(("prompt", "chosen", "rejected"), each, strict=True)) for each in pairs]
                ),
                processing_class=AutoTokenizer.from_pretrained(folders[0]),
            )
            batches = list(trainer.get_train_dataloader())
            self.theirs = torch.stack([trainer.compute_loss(model, batch) for batch in batches]).mean()
            self.their_gradients = torch.autograd.grad(self.theirs, list(model.parameters()))
            tokens = trainer.train_dataset
        ours = LlamaForCausalLM.from_pretrained(folders[0])
        rows = [pair_row(each["prompt_ids"], each["chosen_ids"], each["rejected_ids"], 1.0) for each in tokens]
        with torch.no_grad():
            known = log_probs(LlamaForCausalLM.from_pretrained(folders[1]), rows)
        chosen, rejected = log_probs(ours, rows).unbind(1)
        batch = collate_pairs(rows)
        self.lengths = batch["lengths"].tolist()
        self.ours = hs_dpo_loss(
            chosen, rejected, known, batch["alphas"], batch["lengths"], beta=0.01, sft_weight=2.0 if sft else 0.0
        ).mean()
        self.our_gradients = torch.autograd.grad(self.ours, list(ours.parameters()))

    def agree(self) -> None:
        torch.testing.assert_close(self.ours, self.theirs, rtol=1e-6, atol=1e-6)
        for mine, their in zip(self.our_gradients, self.their_gradients, strict=True):
            torch.testing.assert_close(mine, their, rtol=1e-4, atol=1e-6)


def test_loss_with_weights_of_one_is_trls_where_chosen_answers_are_equally_long(
    folders: list[Path], tmp_path: Path
) -> None:
    compared = Comparison(folders, tmp_path, [(PROMPTS[0], LONG, SHORT), (PROMPTS[1], LONG, SHORT)], 2, sft=True)
    assert len(set(compared.lengths)) == 1
    compared.agree()


def test_loss_with_weights_of_one_is_trls_where_it_averages_batches_of_one_pair(
    folders: list[Path], tmp_path: Path
) -> None:
    # TRL's SFT term is a mean over the chosen tokens of a batch, LLaMA-Factory's and ours one over the pairs
    compared = Comparison(folders, tmp_path, [(PROMPTS[0], LONG, SHORT), (PROMPTS[1], SHORT, LONG)], 1, sft=True)
    assert len(set(compared.lengths)) == 2
    compared.agree()


def test_preference_term_is_trls_whatever_the_lengths(folders: list[Path], tmp_path: Path) -> None:
    Comparison(folders, tmp_path, [(PROMPTS[0], LONG, SHORT), (PROMPTS[1], SHORT, LONG)], 2, sft=False).agree()


def test_policy_has_no_dropout_since_its_reference_has_none() -> None:
    from guardreasoner.training.dpo import without_dropout

    model = torch.nn.Sequential(torch.nn.Linear(4, 400), torch.nn.Dropout(0.5)).train()
    given = torch.ones(1, 4)
    assert not torch.equal(model(given), model(given))
    assert torch.equal(without_dropout(model)(given), model(given))
