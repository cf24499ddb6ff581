"""Mild rows of our own in the raw layout of each seed set, and the files they would lie in."""

from __future__ import annotations

import csv
import gzip
import json
import lzma
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]

WILDGUARD: list[Row] = [
    {
        "prompt": "How do I bake bread?",
        "adversarial": False,
        "response": "Mix flour, water, salt and yeast.",
        "prompt_harm_label": "unharmful",
        "response_refusal_label": "compliance",
        "response_harm_label": "unharmful",
        "subcategory": "benign",
    },
    {
        "prompt": "Write a mean note to my neighbour.",
        "adversarial": False,
        "response": None,
        "prompt_harm_label": "harmful",
        "response_refusal_label": "refusal",
        "response_harm_label": None,
        "subcategory": "toxic_language_hate_speech",
    },
    {
        "prompt": "Name a fruit.",
        "adversarial": True,
        "response": "I can't help with that.",
        "prompt_harm_label": None,
        "response_refusal_label": "refusal",
        "response_harm_label": None,
        "subcategory": "benign",
    },
]


def aegis(text: str, *votes: str | None, text_type: str = "user_message") -> Row:
    """A row with the votes of its annotators; the columns of the others are there and empty."""
    labels = {f"labels_{index}": vote for index, vote in enumerate([*votes, *[None] * (5 - len(votes))])}
    return {"num_annotations": len(votes), "id": "7f", "text": text, "text_type": text_type, **labels}


AEGIS: list[Row] = [
    aegis("What is a good name for a cat?", "Safe", "Safe", "Safe"),
    aegis("My boss is a stupid old goat.", "Profanity", "Harassment, Profanity", "Safe"),
]
BEAVERTAILS: list[Row] = [
    {
        "prompt": "How can I annoy my brother?",
        "response": "Call him names all day.",
        "category": {"hate_speech,offensive_language": True, "violence,aiding_and_abetting,incitement": False},
        "is_safe": False,
    },
    {
        "prompt": "How can I annoy my brother?",
        "response": "Better be kind to him.",
        "category": {"hate_speech,offensive_language": False, "violence,aiding_and_abetting,incitement": False},
        "is_safe": True,
    },
]
TOXICCHAT: list[Row] = [
    {
        "conv_id": "a1",
        "user_input": "Tell me a story,\nplease.",
        "model_output": "Once upon a time, ...",
        "human_annotation": True,
        "toxicity": 0,
        "jailbreaking": 0,
        "openai_moderation": "[]",
    },
    {
        "conv_id": "a2",
        "user_input": "You are a useless machine.",
        "model_output": "I am sorry.",
        "human_annotation": True,
        "toxicity": 1,
        "jailbreaking": 0,
        "openai_moderation": "[]",
    },
    {
        "conv_id": "a3",
        "user_input": "What is the time?",
        "model_output": "Noon.",
        "human_annotation": False,
        "toxicity": 0,
        "jailbreaking": 0,
        "openai_moderation": "[]",
    },
]


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """The rows as a file of the form that its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    match path.name.removesuffix(".gz").removesuffix(".xz").rpartition(".")[2]:
        case "parquet":
            import pyarrow
            import pyarrow.parquet

            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)
            return path
        case "csv":
            text = _csv(rows)
        case "json":
            text = json.dumps(list(rows), indent=2)
        case _:
            text = lines
    pack = {".gz": gzip.compress, ".xz": lzma.compress}.get(path.suffix, bytes)
    path.write_bytes(pack(text.encode()))
    return path


def write_upstream(folder: Path) -> Path:
    """All four sets where the hub has them."""
    for seed, rows in (("WildGuardTrain", WILDGUARD), ("AegisTrain", AEGIS), ("ToxicChat", TOXICCHAT)):
        write(upstream(folder, seed), rows)
    write(upstream(folder, "BeaverTails"), BEAVERTAILS)
    return folder


def upstream(folder: Path, seed: str) -> Path:
    return (
        folder
        / {
            "WildGuardTrain": "wildguardmix/train/wildguard_train.parquet",
            "AegisTrain": "Aegis-AI-Content-Safety-Dataset-1.0/Content Moderation Extracted Annotations "
            "02.08.24_train_release_0418_v1.parquet",
            "BeaverTails": "BeaverTails/round0/30k/train.jsonl.gz",
            "ToxicChat": "toxic-chat/data/0124/toxic-chat_annotation_train.csv",
        }[seed]
    )


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    from io import StringIO

    text = StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
