"""From a recipe to what training starts from: a hub id, a folder, or the run's own Llama; and a trained guard's folder.

What is saved is one folder that the `hf` engine opens (an encoder's guard is exported first): weights, tokenizer, and
`guardreasoner.json` with the format in which the guard was trained, which `Guard` reads.
"""

# transformers and torch type these members only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BertModel, PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from guardreasoner.engines.hf_tokens import TextTokens
from guardreasoner.engines.opening import REMEMBERED
from guardreasoner.errors import InputError
from guardreasoner.formats import Format
from guardreasoner.formats.nano import END, TASK_MARKERS
from guardreasoner.formats.paper_llama3 import END_OF_TURN, MARKERS, PaperLlama3Format
from guardreasoner.recipe import Optimisation, Recipe
from guardreasoner.run import RunFolder, write_whole
from guardreasoner.training import prefix_lm  # transformers then opens its checkpoints
from guardreasoner.training.checkpoints import written
from guardreasoner.training.tokenizer import save_tokenizer
from guardreasoner.training.wordpieces import cut_tokenizer

T = TypeVar("T")


def start_of(recipe: Recipe, folder: RunFolder) -> str:
    """Where the weights lie that R-SFT starts from: `model.base`, or what the stage `pretrain` made."""
    return recipe.model.base or str(folder.pretrain / "model")


def open_tokens(start: str) -> TextTokens:
    """The tokenizer of a base; InputError in one sentence if it cannot be had."""
    auto: Any = AutoTokenizer
    tokens = TextTokens(_opened(start, partial(auto.from_pretrained, start)))
    if not tokens.tokenizer.is_fast:
        raise InputError(
            f"{start}: its tokenizer has no tokenizer.json, expected one that the tokenizers library reads"
        )
    return tokens


def open_model(start: str, **options: Any) -> PreTrainedModel:
    """The weights of a base in float32, unless `options` say otherwise; InputError if they cannot be had."""
    disable_progress_bar()
    options = {"dtype": torch.float32} | options
    auto: Any = AutoModelForCausalLM
    return cast(PreTrainedModel, _opened(start, partial(auto.from_pretrained, start, **options)))


def prefix_ends(start: str) -> frozenset[int]:
    """The tokens before the first of which a prompt is read both ways; none for a causal model."""
    auto: Any = AutoConfig
    config: Any = _opened(start, partial(auto.from_pretrained, start))
    return frozenset(config.prefix_end_token_ids if isinstance(config, prefix_lm.PrefixLMConfig) else ())


def start_from_encoder(encoder: str, texts: Sequence[str], recipe: Recipe, folder: RunFolder) -> PreTrainedModel:
    """The encoder `model.encoder` as a language model, and its tokenizer, cut to `texts`, in the run folder."""
    disable_progress_bar()
    if recipe.synthesize.teacher != "rule":
        raise InputError(
            f"`model.encoder` is for the embedded guard's format, and `synthesize.teacher` = "
            f"{recipe.synthesize.teacher!r} writes the paper's: expected 'rule', or `model.base`"
        )
    auto: Any = AutoConfig
    kind: str = _opened(encoder, partial(auto.from_pretrained, encoder)).model_type
    if kind != "bert":
        raise InputError(f"{encoder}: found a model of type {kind!r}, expected 'bert'")
    tokens = open_tokens(encoder).tokenizer.backend_tokenizer.to_str()
    tokenizer, rows = cut_tokenizer(tokens, texts, recipe.tokenizer.least)
    save_tokenizer(tokenizer, folder.tokenizer)
    ids = tokenizer.get_vocab()
    return prefix_lm.prefix_lm(
        _opened(encoder, lambda: BertModel.from_pretrained(encoder, add_pooling_layer=False, dtype=torch.float32)),
        rows,
        context_length=recipe.model.context_length,
        end_id=ids[END],
        prefix_ends=[ids[marker] for marker in TASK_MARKERS.values()],
        seed=recipe.pretrain.seed,
    )


def end_token(tokens: TextTokens, form: Format, start: str) -> int:
    """What a completion ends with; in the llama3 template that is its end of turn, which the tokenizer must know."""
    if isinstance(form, PaperLlama3Format):
        if missing := [marker for marker in MARKERS if len(tokens.prompt(marker)[tokens.begin is not None :]) != 1]:
            raise InputError(
                f"{start}: its tokenizer has no token {missing[0]!r}, expected one of the Llama 3 family for "
                "`sft.template` = 'llama3'"
            )
        return tokens.tokenizer.convert_tokens_to_ids(END_OF_TURN)
    end: int | None = tokens.tokenizer.eos_token_id
    if end is None:
        raise InputError(f"{start}: its tokenizer names no end token (eos_token), expected one that ends an answer")
    return end


def kept(model: PreTrainedModel, recipe: Recipe, section: Optimisation) -> PreTrainedModel:
    """The weights as they are kept: in bfloat16 if a base was trained with it, as the authors' are."""
    whole: Any = model
    return whole.to(torch.bfloat16) if recipe.model.base is not None and section.bf16 else model


def save(model: PreTrainedModel, tokens: TextTokens, form: Format, end: int, folder: Path) -> None:
    """Model, tokenizer and format in one folder, there whole or not at all; generation with it stops at `end`."""
    beside = folder.with_name(folder.name + ".partial")
    shutil.rmtree(beside, ignore_errors=True)
    # as LLaMA-Factory does (`replace_eos`): whatever serves the model stops where it was taught to
    tokens.tokenizer.eos_token = tokens.tokenizer.convert_ids_to_tokens(end)
    model.config.eos_token_id = end
    generation: Any = getattr(model, "generation_config", None)  # an encoder that became a guard has none
    if generation is not None:
        generation.eos_token_id, generation.do_sample = end, False
        # a base's own sampling says nothing about a guard
        generation.temperature = generation.top_p = generation.top_k = None
    with written(beside):
        model.save_pretrained(beside)
        _save_tokenizer(tokens.tokenizer, beside)
        (beside / REMEMBERED).write_text(json.dumps({"format": form.name}) + "\n", encoding="utf-8")
        beside.replace(folder)


def _save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Its files, under a class name that transformers before 5, and servers that stand on it, know too."""
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if said.get("tokenizer_class") == "TokenizersBackend":
        said["tokenizer_class"] = "PreTrainedTokenizerFast"
    for name in ("backend", "is_local", "local_files_only"):  # how it was loaded here
        said.pop(name, None)
    write_whole(path, json.dumps(said, indent=2, ensure_ascii=False) + "\n")


def _opened(start: str, load: Callable[[], T]) -> T:
    try:
        return load()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(_why(start, error)) from error
    except Exception as error:  # safetensors raises a type of its own for a torn file
        if type(error).__name__ != "SafetensorError":
            raise
        raise InputError(f"{start}: its weights cannot be read: {error}") from error


def _why(start: str, error: Exception) -> str:
    said = " ".join(str(error).split())
    first = said.split(". ")[0]
    if Path(start).is_dir():
        return f"{start}: no model can be opened from this folder: {first}"
    if start.startswith((".", "/", "~")) or start.count("/") != 1:
        return f"{start}: no such folder, expected one with config.json and weights, or a hub id such as org/name"
    if "gated" in said.lower() or "403" in said or "401" in said:
        return (
            f"{start}: the hub gives it to nobody who has not accepted its terms (gated), or there is none of that "
            f"name: see https://huggingface.co/{start}, then run `hf auth login` or set HF_TOKEN"
        )
    return f"{start}: no folder of that name here, and from the hub: {first}"
