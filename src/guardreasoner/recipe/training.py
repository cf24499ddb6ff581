"""What is trained, and how: language model, R-SFT, mining, HS-DPO. Defaults of the last three are the paper's."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from guardreasoner.types import PositiveShare, Record, TaskName


class TokenizerSection(Record):
    """Byte-level BPE, trained on the texts of the run; with `model.encoder`, the encoder's own, cut to those texts."""

    vocab_size: int = Field(default=8192, ge=300)
    least: int = Field(default=3, ge=1)
    """How often a piece of the encoder's vocabulary must occur in the texts to be kept."""


class ModelSection(Record):
    """What training starts from: `base`, `encoder`, or a Llama of random weights (`LlamaConfig`), embeddings tied."""

    base: str | None = None
    """Hub id or folder of a causal language model; the stage `pretrain` then has nothing to do."""
    encoder: str | None = None
    """Hub id or folder of a BERT encoder, which `pretrain` makes a language model that reads an exchange both ways."""
    hidden_size: int = 256
    num_hidden_layers: int = 6
    intermediate_size: int = 768
    num_attention_heads: int = 4
    num_key_value_heads: int = 4
    context_length: int = 1024

    @model_validator(mode="after")
    def _one_start(self) -> ModelSection:
        if self.base is not None and self.encoder is not None:
            raise ValueError("`base` and `encoder` together, expected one of them")
        return self


class Optimisation(Record):
    """What the training stages share."""

    learning_rate: float = Field(gt=0)
    batch_size: int | None = Field(default=None, ge=1)
    """Rows per optimizer step, over all devices: examples, or packs of examples that share most of their prompts.
    None = what fits `batch_tokens` on each device."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """`muon`: orthogonalised momentum for the weight matrices, AdamW for the rest; from random weights it needs fewer
    tokens."""
    betas: tuple[float, float] = (0.9, 0.95)
    """AdamW's."""
    batch_tokens: int = Field(default=8192, ge=64)
    """Tokens in one forward pass of one device, padding included: what its memory holds."""
    warmup_share: float = Field(default=0.03, ge=0, lt=1)
    weight_decay: float = Field(default=0.1, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    save_steps: int = Field(default=200, ge=1)
    bf16: bool = True
    gradient_checkpointing: bool = False
    """Less memory for a third more arithmetic; on an H100 the 1B model took 1.7 times (R-SFT) and 2.8 times (HS-DPO) as
    long with it (perf/training)."""
    report_to: tuple[str, ...] = ()
    """transformers' names: tensorboard, wandb, trackio; `metrics.jsonl` is written whatever stands here."""
    threads: int | None = Field(default=None, ge=1)
    seed: int = 0


class PretrainSection(Optimisation):
    """Language-model pretraining: rows of `row_tokens`, documents one after another."""

    learning_rate: float = Field(default=2e-3, gt=0)
    row_tokens: int = Field(default=512, ge=16)
    word_vectors: bool = False
    """Start the embeddings from word vectors counted in the same texts, not from noise."""
    epochs: float = Field(default=1.0, gt=0)


class LoraSection(Record):
    """Low-rank adapters (PEFT) in place of full-parameter training; merged into the weights at the end."""

    r: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    target_modules: tuple[str, ...] | Literal["all-linear"] = "all-linear"
    quantize: Literal["none", "nf4"] = "none"
    """`nf4`: the frozen weights in four bits (QLoRA, bitsandbytes)."""


class SFTSection(Optimisation):
    """R-SFT: loss on the completion alone."""

    learning_rate: float = Field(default=1e-3, gt=0)
    epochs: float = Field(default=1.0, gt=0)
    cutoff: int = Field(default=768, ge=32)
    """Longest example in tokens; longer ones are left out, counted and reported."""
    row_tokens: int = Field(default=0, ge=0)
    """Examples that share most of their prompts are packed into one row of so many tokens, or of `cutoff`."""
    average: Literal["token", "row"] = "token"
    """`token`: every completion token weighs the same (the paper). `row`: every example weighs the same."""
    template: Literal["plain", "llama3"] = "plain"
    """`plain`: the text that the guard is given. `llama3`: that text in the chat template in which the authors trained
    and did not infer (LLaMA-Factory's `llama3`); the guard then gives it too, so that both are equal here."""
    unannotated: Literal["keep", "mask"] = "keep"
    """Answers to tasks that nobody annotated, which are the teacher's word: learnt as the others (the authors), or not
    learnt, only read."""
    reasoning: Literal["keep", "drop"] = "keep"
    """`drop`: the answers alone are taught, the labels-only baseline of the paper's ablation."""
    lora: LoraSection | None = None


class SoupGuard(Record):
    """A further guard, taught from where R-SFT starts and as `sft` says, but for what stands here; None = as there."""

    seed: int | None = None
    reasoning: Literal["keep", "drop"] | None = None
    """`drop`: it is taught the answers alone. With much of such a guard the average names few words (docs/log.md)."""
    epochs: float | None = Field(default=None, gt=0)
    cutoff: int | None = Field(default=None, ge=32)
    """Without reasoning more of the exchange fits the same memory."""

    def taught(self, section: SFTSection) -> SFTSection:
        """How it is taught in a recipe that has `section`."""
        return section.model_copy(update=self.model_dump(exclude_none=True))


class SoupSection(Record):
    """The guard's weights averaged with those of further guards (a model soup, Wortsman et al. 2022)."""

    guards: tuple[SoupGuard, ...] = (SoupGuard(seed=1),)
    """() = none: the guard stays as it is."""
    shares: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] | None = None
    """Parts of the average: of the guard that the stages before made, then of each of `guards`; None = equal."""

    @model_validator(mode="after")
    def _share_for_each(self) -> SoupSection:
        if self.shares is not None and len(self.shares) != len(self.guards) + 1:
            raise ValueError(
                f"`shares` has {len(self.shares)} numbers, expected {len(self.guards) + 1}: of the guard that the "
                "stages before made and of each of `guards`"
            )
        return self


MAIN = "main"
"""What the model that `sft` trains is called among those that are mined."""


def _not_main(name: str) -> str:
    if name == MAIN:
        raise ValueError(f"`{MAIN}` is the model that the stage sft trains, expected another name")
    return name


MemberName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$"), AfterValidator(_not_main)]


class EnsembleSection(Record):
    """Further models for mining, each trained like the main one but without some sources (section 4.3)."""

    leave_out: dict[MemberName, Annotated[tuple[str, ...], Field(min_length=1)]] = Field(default_factory=dict)
    """Member's name, which is its folder's too -> sources that it is not trained on."""


class MineSection(Record):
    """Hard samples: right and wrong answers of one model to one input (section 4.3)."""

    completions: int = Field(default=4, ge=2)
    """Sampled per input and model: k."""
    temperature: float = Field(default=1.0, gt=0)
    """The paper's; the authors' script has 0.7."""
    top_p: float = Field(default=0.95, gt=0, le=1)
    max_tokens: int = Field(default=2048, ge=1)
    decides: Literal["in order", "all"] = "in order"
    """`in order`: the first of request, response, completion on which some outputs are right and some wrong, as in the
    authors' script. `all`: an output is right if every annotated task is. A task without a gold label never decides."""
    pair: Literal["longest", "random"] = "longest"
    """Which right and which wrong output: the longest (the authors' script) or any (the paper)."""
    merge: Literal["authors", "paper"] = "authors"
    """How the pairs of an ensemble come together: per source those of the members that saw it, the main model's where
    no member lacks it (the authors' script); or those of all models (the paper)."""
    positive_share: PositiveShare = Field(default_factory=dict[TaskName, float])
    """Of the pairs that a task decides, the share whose right answer is its positive label; the surplus is left out. As
    the pairs come where none is given, as in the paper."""
    gamma: float = Field(default=0.2, ge=0, lt=1)
    """Weights lie in [1 - gamma, 1 + gamma]; 0 = plain DPO."""
    limit: int | None = Field(default=None, ge=1)
    """Inputs at most, a seeded draw."""
    seed: int = 0
    models: dict[str, str] = Field(default_factory=dict)
    """`main` or a member -> folder, hub id or server's address that answers in its place. Not named: the run's own."""
    concurrency: int = Field(default=32, ge=1)
    """Requests under way at a server."""

    @model_validator(mode="after")
    def _one_task_decides(self) -> MineSection:
        if self.positive_share and self.decides == "all":
            raise ValueError("`positive_share` is of pairs that one task decided, expected `decides` = 'in order'")
        return self


class DPOSection(Optimisation):
    """HS-DPO (section 4.3): weighted preference loss and SFT loss of the chosen answer; reference: the R-SFT model."""

    learning_rate: float = Field(default=5e-6, gt=0)
    epochs: float = Field(default=2.0, gt=0)
    cutoff: int = Field(default=2048, ge=32)
    """Longest prompt with either answer, in tokens; longer pairs are left out, counted and reported."""
    beta: float = Field(default=0.01, gt=0)
    sft_weight: float = Field(default=2.0, ge=0)
    lora: LoraSection | None = None


class QuantizeSection(Record):
    """What the embedded engine opens."""

    name: str = "guardreasoner-nano"
    precision: Literal["int8", "float32"] = "int8"
