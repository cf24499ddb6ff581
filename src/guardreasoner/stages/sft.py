"""From examples with reasoning to a reasoning guard: the paper's R-SFT (section 4.2)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TypeVar

from guardreasoner.errors import InputError
from guardreasoner.recipe import Recipe
from guardreasoner.run import RunFolder, read_records
from guardreasoner.types import SFTExample


def run(recipe: Recipe, folder: RunFolder) -> None:
    """Reads reasoning.jsonl and pretrain/model/, writes sft/model/ and sft.json."""
    done = folder.sft / "model"
    if done.is_dir():
        return
    from tokenizers import Tokenizer

    from guardreasoner.training.packing import Example, pack
    from guardreasoner.training.trainer import load_llama, save_llama, train

    tokenizer = Tokenizer.from_file(str(folder.tokenizer / "tokenizer.json"))
    every = [
        # Apart, as at inference: the prompt's last token is a marker, so nothing merges over the boundary.
        Example([*prompt.ids, *completion.ids], len(prompt.ids), example.weight)
        for some in chunks(read_records(folder.reasoning, SFTExample), 1000)
        for prompt, completion, example in zip(
            tokenizer.encode_batch([example.prompt for example in some]),
            tokenizer.encode_batch([example.completion for example in some]),
            some,
            strict=True,
        )
    ]
    fitting = [example for example in every if len(example.ids) <= recipe.sft.cutoff]
    rows = list(pack(fitting, max(recipe.sft.cutoff, recipe.sft.row_tokens), recipe.sft.average))
    folder.note(
        "sft",
        {
            "examples": len(every),
            f"left out, longer than {recipe.sft.cutoff} tokens": len(every) - len(fitting),
            "tokens": sum(len(example.ids) for example in fitting),
            "completion tokens": sum(len(example.ids) - example.prompt for example in fitting),
            "rows": len(rows),
            "tokens in rows": sum(len(row.ids) for row in rows),
        },
    )
    if not rows:
        raise InputError(f"{folder.reasoning}: no example of at most `sft.cutoff` = {recipe.sft.cutoff} tokens")
    model = load_llama(folder.pretrain / "model")
    train(model, rows, folder.sft, recipe.sft, epochs=recipe.sft.epochs)
    save_llama(model, folder.tokenizer, done)


T = TypeVar("T")


def chunks(values: Iterator[T], size: int) -> Iterator[list[T]]:
    """`values` in lists of `size`: what a tokenizer knows of a text takes many times the ids that are kept."""
    while some := list(islice(values, size)):
        yield some
