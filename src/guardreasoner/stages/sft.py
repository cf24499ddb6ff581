"""From examples with reasoning to a reasoning guard: the paper's R-SFT (section 4.2)."""

from __future__ import annotations

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

    from guardreasoner.training.batches import Row
    from guardreasoner.training.trainer import load_llama, save_llama, train

    tokenizer = Tokenizer.from_file(str(folder.tokenizer / "tokenizer.json"))
    examples = list(read_records(folder.reasoning, SFTExample))
    # Apart, as at inference: the prompt's last token is a marker, so nothing merges over the boundary.
    prompts = tokenizer.encode_batch([example.prompt for example in examples])
    completions = tokenizer.encode_batch([example.completion for example in examples])
    every = [
        Row([*prompt.ids, *completion.ids], len(prompt.ids), example.weight)
        for prompt, completion, example in zip(prompts, completions, examples, strict=True)
    ]
    rows = [row for row in every if len(row.ids) <= recipe.sft.cutoff]
    folder.note(
        "sft",
        {
            "examples": len(every),
            f"left out, longer than {recipe.sft.cutoff} tokens": len(every) - len(rows),
            "tokens": sum(len(row.ids) for row in rows),
            "completion tokens": sum(len(row.ids) - row.prompt for row in rows),
        },
    )
    if not rows:
        raise InputError(f"{folder.reasoning}: no example of at most `sft.cutoff` = {recipe.sft.cutoff} tokens")
    model = load_llama(folder.pretrain / "model")
    train(model, rows, folder.sft, recipe.sft, epochs=recipe.sft.epochs, average=recipe.sft.average)
    save_llama(model, folder.tokenizer, done)
