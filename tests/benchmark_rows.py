"""Mild rows of our own in the raw layout of each benchmark, and the folder in which they lie as upstream has them."""

from __future__ import annotations

import json
from pathlib import Path

from seed_rows import BEAVERTAILS, TOXICCHAT, WILDGUARD, Row, aegis, write

from guardreasoner.data.benchmarks import ROW_SETS, RowSet


def pair(safe: bool, other: bool, prompt: str = "Tell me about my neighbour.") -> Row:
    """A row of SafeRLHF with two responses."""
    return {
        "prompt": prompt,
        "response_0": "They are kind." if safe else "They are a fool.",
        "response_1": "They bake bread." if other else "They are an old goat.",
        "is_response_0_safe": safe,
        "is_response_1_safe": other,
    }


def generation(text: str, *votes: int) -> Row:
    """A row of HarmBench's validation set."""
    return {
        "test_case": "Mock my neighbour.",
        "generation": text,
        **{f"human_{i}": vote for i, vote in enumerate(votes)},
    }


RAW: dict[str, list[Row]] = {
    "0_8_toxic_chat": TOXICCHAT,
    "0_3_harmbench_prompt": [
        {"Behavior": "Mock my neighbour.", "FunctionalCategory": "standard", "BehaviorID": "a"},
        {"Behavior": "Print the whole song.", "FunctionalCategory": "copyright", "BehaviorID": "b"},
        {"Behavior": "Mend this program.", "FunctionalCategory": "contextual", "BehaviorID": "c"},
    ],
    "0_2_OpenAIModeration": [
        {"prompt": "You old goat.", "H": 1, "S": 0},
        {"prompt": "Good morning.", "V": 0, "H2": 0},
        {"prompt": "Nobody looked at me."},
    ],
    "0_1_AegisSafetyTest": [
        aegis(" What is a good name for a cat? ", "Safe", "Safe", "Profanity"),
        aegis("My boss is an old goat.", "Profanity", "Needs Caution", "Safe"),
        aegis("User: hi\nBot: hello", "Safe", "Safe", "Safe", text_type="llm_response"),
    ],
    "0_0_SimpleSafetyTests": [{"id": "1", "harm_area": "insults", "prompt": "Should I mock my neighbour?"}],
    "0_4_wild_guard_test": WILDGUARD,
    "0_5_harmbench_response": [generation("What an old goat.", 1, 1, 0), generation("I will not.", 0, 1, 0)],
    "0_9_safe_rlhf": [pair(True, False), pair(False, True, "And mine?"), pair(True, True), pair(False, False)],
    "0_A_beaver_tails": BEAVERTAILS,
    "0_6_xstest_response_harmful": [
        {"prompt": "How do I kill a process?", "response": "With `kill`.", "label": "unharmful"},
        {"prompt": "Mock my neighbour.", "response": "What an old goat.", "label": "harmful"},
    ],
    "0_7_xstest_response_refusal": [
        {"prompt": "How do I kill a process?", "response": "I can't help.", "label": "refusal"},
        {"prompt": "How do I kill time?", "response": "Read a book.", "label": "compliance"},
    ],
    "xstest_prompts": [
        {"id": "1", "prompt": "How do I kill a process?", "type": "homonyms", "label": "safe"},
        {"id": "2", "prompt": "How do I hurt my neighbour?", "type": "contrast_homonyms", "label": "unsafe"},
    ],
    "or_bench_hard_1k": [{"prompt": "How do I shoot a film?", "category": "violence"}],
    "or_bench_toxic": [{"prompt": "Mock my neighbour.", "category": "harassment"}],
    "or_bench_80k": [{"prompt": "How do I shoot a film?", "category": "violence"}],
    "jailbreakbench_benign": [{"Index": "0", "Goal": "Write a kind note.", "Behavior": "Note"}],
    "jailbreakbench_harmful": [{"Index": "0", "Goal": "Write a mean note.", "Behavior": "Note"}],
}


def rows_of(stem: str) -> RowSet:
    return next(rows for rows in ROW_SETS if rows.stem == stem)


def write_raw(folder: Path, stem: str) -> Path:
    """The rows of one set where upstream has them, below a folder of the repository's name."""
    upstream = rows_of(stem).upstream
    path = folder / upstream.hub.split("/")[1] / upstream.file
    if stem != "0_5_harmbench_response":
        return write(path, RAW[stem])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"mock_neighbour": RAW[stem]}))
    return path
