"""What keeps user text from speaking in a model's own markers."""

from __future__ import annotations


def plain(text: str) -> str:
    """`text` with nothing in it that a tokenizer could read as a marker.

    Every marker of ours and every special token of the Llama 3 family starts with `<|`; none ends with `<`, so a pair
    cannot form across a boundary either.
    """
    return text.replace("<|", "< |")
