"""From elements to an HTML document that loads nothing, and runs no script but ours."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from importlib.resources import files
from xml.etree.ElementTree import Element, tostring

Node = Element | str | None
_UNSHOWN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def e(tag: str, *children: Node, **attributes: str | float | bool | None) -> Element:
    """An element. `class_` is `class`, `data_kind` is `data-kind`; True is an attribute without a value, None none."""
    made = Element(tag)
    for name, value in attributes.items():
        if value is not None and value is not False:
            text = "" if value is True else f"{value:g}" if isinstance(value, float) else str(value)
            made.set(name.rstrip("_").replace("_", "-"), shown(text))
    for child in children:
        if isinstance(child, str):
            _add_text(made, shown(child))
        elif child is not None:
            made.append(child)
    return made


def shown(text: str) -> str:
    """`text` without what HTML cannot hold: control characters and half pairs become U+FFFD."""
    return _UNSHOWN.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def document(title: str, body: Sequence[Node]) -> str:
    """The whole page. Its policy lets nothing load and lets only the two texts below, by their hash, style and act."""
    style, script = asset("page.css"), asset("page.js")
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'"
    head = e(
        "head",
        e("meta", charset="utf-8"),
        e("meta", http_equiv="Content-Security-Policy", content=policy),
        e("meta", name="viewport", content="width=device-width, initial-scale=1"),
        e("meta", name="color-scheme", content="light dark"),
        e("meta", name="referrer", content="no-referrer"),
        e("title", title),
        _raw("style", style),
    )
    root = e("html", head, e("body", *body, _raw("script", script)), lang="en")
    return "<!DOCTYPE html>\n" + tostring(root, encoding="unicode", method="html") + "\n"


def asset(name: str) -> str:
    """One of the two files beside this one."""
    return files("guardreasoner.report.page").joinpath(name).read_text(encoding="utf-8")


def _raw(tag: str, text: str) -> Element:
    """ElementTree writes the text of these two unescaped, as HTML reads it; never called with a row's text."""
    made = Element(tag)
    made.text = text
    return made


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _add_text(parent: Element, text: str) -> None:
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text
