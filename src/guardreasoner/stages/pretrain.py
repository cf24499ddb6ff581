"""From plain text to the embedded guard's tokenizer and language model: from nothing, or from an encoder."""

from __future__ import annotations

import random
from collections.abc import Iterator

from guardreasoner.data.labelled import OWN, dialogue, is_dev, text_rows
from guardreasoner.formats.markers import plain
from guardreasoner.formats.nano import ASSISTANT, END, SPECIAL_TOKENS, USER
from guardreasoner.processes import is_first, wait_for_first
from guardreasoner.recipe import DataSection, Recipe
from guardreasoner.run import RunFolder, read_records
from guardreasoner.training.tokenizer import save_tokenizer, train_tokenizer
from guardreasoner.types import Exchange, Sample


def run(recipe: Recipe, folder: RunFolder) -> None:
    """Reads samples.jsonl and the recipe's texts, writes tokenizer/ and pretrain/model/; a `model.base` has both."""
    done = folder.pretrain / "model"
    if recipe.model.base is not None or done.is_dir():
        return
    import numpy as np
    from tokenizers import Tokenizer

    from guardreasoner.training.packing import line
    from guardreasoner.training.trainer import random_llama, save_base, start_from_words, train

    texts = documents(recipe.data, list(read_records(folder.train, Sample)))
    if recipe.model.encoder is not None:
        from guardreasoner.training.bases import start_from_encoder

        if not is_first():
            return
        model = start_from_encoder(recipe.model.encoder, texts, recipe, folder)
        folder.note("pretrain", {"documents": len(texts), "vocabulary": model.config.vocab_size})
        save_base(model, folder.tokenizer, done)
        return
    if is_first() and not (folder.tokenizer / "tokenizer.json").is_file():
        save_tokenizer(train_tokenizer(texts, recipe.tokenizer.vocab_size), folder.tokenizer)
    wait_for_first("tokenizer")
    tokenizer = Tokenizer.from_file(str(folder.tokenizer / "tokenizer.json"))
    stream = np.concatenate([np.asarray(each.ids, dtype=np.int32) for each in tokenizer.encode_batch(texts)])
    width = recipe.pretrain.row_tokens
    rows = [line(stream[start : start + width].tolist()) for start in range(0, len(stream) - width + 1, width)]
    folder.note("pretrain", {"documents": len(texts), "tokens": len(stream), "rows": len(rows)})
    model = random_llama(recipe.model, tokenizer.get_vocab_size(), SPECIAL_TOKENS.index(END), recipe.pretrain.seed)
    if recipe.pretrain.word_vectors:
        start_from_words(model, stream, recipe.pretrain.seed)
    train(model, rows, folder.pretrain, recipe.pretrain, epochs=recipe.pretrain.epochs)
    save_base(model, folder.tokenizer, done)


def documents(section: DataSection, samples: list[Sample]) -> list[str]:
    """Texts in seeded random order, dialogue in the format's own markers, each closed by the end marker."""
    kept: dict[str, list[str]] = {source: [] for source in section.text}
    for source, _, text in text_rows(section.folder, section.text) if section.text else ():
        turns = dialogue(text)
        if not (turns and is_dev(turns[0][1], section.dev_share)):  # a dialogue is split by its first request
            kept[source].append(text)
    chosen = [text for source, texts in kept.items() for text in _up_to(texts, section.text[source], section.seed)]
    # Rows made from templates teach judging, not language; they serve only where there is nothing else.
    own_too = not (section.text or section.labelled or section.pairs or section.annotated)
    language = [sample for sample in samples if own_too or sample.source != OWN]
    exchanges = dict.fromkeys(_whole(sample.exchange) for sample in language)
    all_of_it = [_marked(text) + END for text in chosen] + [text + END for text in exchanges]
    random.Random(section.seed).shuffle(all_of_it)
    return all_of_it


def _whole(exchange: Exchange) -> str:
    """Request and response, whatever is asked about them."""
    return USER + plain(exchange.prompt) + ("" if exchange.response is None else ASSISTANT + plain(exchange.response))


def _marked(text: str) -> str:
    turns = dialogue(text)
    if not turns:
        return plain(text)
    return "".join((USER if who == "Human user" else ASSISTANT) + plain(words) for who, words in turns)


def _up_to(texts: list[str], characters: int, seed: int) -> Iterator[str]:
    shuffled = list(texts)
    random.Random(seed).shuffle(shuffled)
    for text in shuffled:
        if characters <= 0:
            return
        characters -= len(text)
        yield text
