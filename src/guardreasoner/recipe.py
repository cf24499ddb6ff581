"""One TOML file = one run: from the file to a validated `Recipe`."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, Field, ValidationError

from guardreasoner.errors import InputError
from guardreasoner.types import Record


class FileSource(Record):
    """A table of labelled rows: which column holds what. A column named here must be there; the others are ignored."""

    path: Path
    source: str | None = None
    """What `Sample.source` says; None = the file's name."""
    prompt: str = "prompt"
    response: str | None = None
    id: str | None = None
    prompt_harmfulness: str | None = None
    response_refusal: str | None = None
    response_harmfulness: str | None = None
    values: dict[str, str | dict[str, str]] = Field(default_factory=dict[str, str | dict[str, str]])
    """Value in the file -> label, where they differ: `{"1": "harmful", "0": "unharmful"}`; or column -> such a table,
    for one column alone: `{"refused": {"1": "refusal", "0": "compliance"}}`."""


class DataSection(Record):
    """Which rows. Folders are relative to where the command runs; labelled and text sources are files of `folder`."""

    folder: Path = Path("data")
    labelled: dict[str, int] = Field(default_factory=dict)
    """Rows taken at most from `labelled/<source>.jsonl.gz` (a seeded draw)."""
    leave_out_notes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Per source: rows whose `note` contains one of these are left out."""
    pairs: dict[str, int] = Field(default_factory=dict)
    """Ordinary dialogue of `text/*.jsonl.gz` by `source`, taken as benign request, compliance, unharmful response."""
    own: int = Field(default=0, ge=0)
    """Rows of our own making (`data/own`)."""
    text: dict[str, int] = Field(default_factory=dict)
    """Characters taken at most per text `source`, for language-model pretraining."""
    seeds: dict[str, int] = Field(default_factory=dict)
    """Rows taken at most of the paper's sources, by their names in `data/seeds.py`."""
    raw: Path | None = None
    """Folder that holds the seed sets in their upstream layout, or the file of the only one; None = the hub."""
    files: tuple[FileSource, ...] = ()
    """Your own rows: JSONL, CSV or Parquet."""
    released: tuple[Path, ...] = ()
    """Files in the form of the released GuardReasonerTrain (instruction, input, output)."""
    dev_share: float = Field(default=0.05, ge=0, lt=1)
    """Development split: this share of the normalised prompts, by hash."""
    seed: int = 0


class TokenizerSection(Record):
    """Byte-level BPE, trained on the texts of the run."""

    vocab_size: int = Field(default=8192, ge=300)


class ModelSection(Record):
    """A Llama of random weights (transformers' `LlamaConfig`), embeddings tied."""

    hidden_size: int = 256
    num_hidden_layers: int = 6
    intermediate_size: int = 768
    num_attention_heads: int = 4
    num_key_value_heads: int = 4
    context_length: int = 1024


class Optimisation(Record):
    """What both training stages share. Batches are counted in tokens, padding included."""

    learning_rate: float = Field(gt=0)
    optimizer: Literal["adamw", "muon"] = "adamw"
    """`muon`: orthogonalised momentum for the weight matrices, AdamW for the rest; from random weights it needs fewer
    tokens."""
    batch_tokens: int = Field(default=8192, ge=64)
    warmup_share: float = Field(default=0.03, ge=0, lt=1)
    weight_decay: float = Field(default=0.1, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    save_steps: int = Field(default=200, ge=1)
    bf16: bool = True
    threads: int | None = Field(default=None, ge=1)
    seed: int = 0


class PretrainSection(Optimisation):
    """Language-model pretraining: rows of `row_tokens`, documents one after another."""

    learning_rate: float = Field(default=2e-3, gt=0)
    row_tokens: int = Field(default=512, ge=16)
    word_vectors: bool = False
    """Start the embeddings from word vectors counted in the same texts, not from noise."""
    epochs: float = Field(default=1.0, gt=0)


class TeacherSection(Record):
    """A chat endpoint that writes the reasoning. Defaults are the paper's (section 4.1, appendix)."""

    model: str = "gpt-4o-2024-08-06"
    base_url: str | None = None
    """None = OpenAI's, or what OPENAI_BASE_URL says."""
    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key; the key itself never stands in a recipe."""
    temperature: Annotated[float | None, BeforeValidator(lambda value: None if value == "default" else value)] = Field(
        default=0.0, ge=0
    )
    """None, in a recipe the word `default`, = not sent: some models refuse any."""
    max_tokens: int = Field(default=2048, ge=1)
    concurrency: int = Field(default=64, ge=1)
    """Requests under way at most; fewer while the server asks for patience."""
    timeout: float = Field(default=120.0, gt=0)
    """Seconds until an answer that does not come is asked for again."""
    attempts: int = Field(default=6, ge=1)
    """Calls per sample at most, before it counts as failed. Being told to wait counts a tenth."""
    price_prompt: float | None = Field(default=None, ge=0)
    price_completion: float | None = Field(default=None, ge=0)
    """US dollars per million tokens; needed for a cost estimate and for --max-cost."""
    batch_requests: int = Field(default=50_000, ge=1)
    batch_bytes: int = Field(default=200_000_000, ge=1)
    """What one batch file may hold; the defaults are OpenAI's."""


TaskName = Literal["prompt_harmfulness", "response_refusal", "response_harmfulness"]


class SynthesizeSection(Record):
    """Who writes the reasoning, and which of it is taught.

    `rule`: offline, from the gold labels and the words of the exchange; it writes the embedded guard's format.
    `chat`: the model of the section `teacher`; it writes the paper's format.
    """

    teacher: Literal["rule", "chat"] = "rule"
    keep: Literal["sound", "all"] = "sound"
    """`chat`: `sound` rejects what the filters find, with counted reasons; `all` keeps whatever was answered, as the
    authors did."""
    benchmarks: Path | None = None
    """Folder of the authors' benchmark files; samples that overlap with a prompt there are rejected."""
    statements: tuple[str, ...] = ()
    """Sources whose prompts are statements with a label of their own: each is also judged as a response."""
    positive_share: dict[TaskName, Annotated[float, Field(gt=0, lt=1)]] = Field(default_factory=dict[TaskName, float])
    """`rule`: the weight of a task's positive label among its examples; the rows' own share where none is given, as in
    the paper."""


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


class QuantizeSection(Record):
    """What the embedded engine opens."""

    name: str = "guardreasoner-nano"
    precision: Literal["int8", "float32"] = "int8"


class EvaluateSection(Record):
    """How the trained guard is judged on the development split."""

    modes: tuple[Literal["reason", "fast"], ...] = ("reason", "fast")
    limit: int | None = Field(default=None, ge=1)
    max_reasoning_tokens: int | None = Field(default=None, ge=0)
    """None = the format's own."""


class Recipe(Record):
    """All of a run. Every section is optional and has defaults."""

    name: str
    output: Path
    data: DataSection = DataSection()
    tokenizer: TokenizerSection = TokenizerSection()
    model: ModelSection = ModelSection()
    pretrain: PretrainSection = PretrainSection()
    teacher: TeacherSection = TeacherSection()
    synthesize: SynthesizeSection = SynthesizeSection()
    sft: SFTSection = SFTSection()
    quantize: QuantizeSection = QuantizeSection()
    evaluate: EvaluateSection = EvaluateSection()


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read and validate; `overrides` are `section.key=value` with TOML values (a bare word is text).

    Raises InputError that names the file, the key, what was found and what is expected.
    """
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such recipe file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: not readable as TOML: {error}") from None
    for override in overrides:
        _apply(values, override)
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        found = "" if first["type"] in ("missing", "extra_forbidden") else f": found {first['input']!r}"
        raise InputError(f"{path.name}: `{place}`{found}: {first['msg']}") from None


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise InputError(f"--set {override}: expected section.key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    place = values
    for part in parts[:-1]:
        inner: object = place.setdefault(part, {})
        if not isinstance(inner, dict):
            raise InputError(f"--set {override}: `{part}` is a value, not a section")
        place = cast(dict[str, Any], inner)
    place[parts[-1]] = value
