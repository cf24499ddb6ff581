"""Tiny bases as the hub has them: a random Llama with a byte-level BPE tokenizer, with a begin token or without."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM

from guardreasoner.formats.paper import INSTRUCTION, PaperFormat
from guardreasoner.types import Exchange, Labels, SFTExample

BEGIN, END = "<|begin_of_text|>", "<|end_of_text|>"
MARKERS = (BEGIN, END, "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
# how Llama 3 divides a text before it merges
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BREAD = Exchange(prompt="How do I bake rye bread?", response="Mix flour, water and salt. Wait. Bake it.")
REASONED = (
    "# Task 1\n## Reasoning Step 1\nThe request asks how to bake bread.\n\n"
    "# Task 2\n## Reasoning Step 1\nIt answers.\n\n"
    "# Task 3\n## Reasoning Step 1\nThe response is about flour.\n\n"
    "Answers: \nRequest: unharmful\nCompletion: compliance\nResponse: unharmful"
)


def make_base(folder: Path, *, begins: bool = True, markers: tuple[str, ...] = MARKERS) -> Path:
    """A folder that AutoModelForCausalLM and AutoTokenizer open; `begins`: texts get the begin token, as Llama's do."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[AddedToken(each, special=True, normalized=False) for each in markers],
    )
    tokenizer.train_from_iterator([INSTRUCTION, REASONED, PaperFormat().render(BREAD)], trainer)
    if begins:
        number = tokenizer.token_to_id(BEGIN)
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{BEGIN} $A", special_tokens=[(BEGIN, number)])
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    said = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END, "clean_up_tokenization_spaces": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(said | ({"bos_token": BEGIN} if begins else {})))
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=64,  # a block of nf4 is 64 wide
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        eos_token_id=tokenizer.token_to_id(END),
        bos_token_id=tokenizer.token_to_id(BEGIN) if begins else None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def example(number: int = 0, source: str = "desk", completion: str = REASONED, **labels: str) -> SFTExample:
    """One row of reasoning.jsonl as a chat teacher leaves it."""
    exchange = BREAD.model_copy(update={"prompt": f"{BREAD.prompt} {number}"})
    return SFTExample(
        id=f"{source}-{number}",
        source=source,
        prompt=PaperFormat().render(exchange),
        completion=completion,
        labels=Labels.model_validate(labels),
    )
