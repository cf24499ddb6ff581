"""From the command line's own help to docs/help.md.

Written from the commands' options, not from the text that a terminal shows: that one changes with the width and the
version of the library that draws it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import typer.main

from guardreasoner.cli import app

HEAD = """# Commands

Written by `make docs` from what `guardreasoner --help` knows; change the commands, not this page.
"""


def help_page() -> str:
    root = typer.main.get_command(app)
    return HEAD + "".join(section(name, command) for name, command in walk("guardreasoner", root))


def walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield name, command
    for child, below in getattr(command, "commands", {}).items():
        if not below.hidden:
            yield from walk(f"{name} {child}", below)


def section(name: str, command: Any) -> str:
    shown = [param for param in command.params if not getattr(param, "hidden", False) and param.name != "help"]
    usage = " ".join([name, *(usage_of(param) for param in shown if param.param_type_name == "argument")])
    hints = get_type_hints(command.callback)
    rows = "".join(row(param, hints[param.name]) for param in shown if param.param_type_name == "option")
    table = f"\n| option | what it does | default |\n|---|---|---|\n{rows}" if rows else ""
    return f"\n## `{usage}`\n\n{text(command.help)}\n{table}"


def usage_of(param: Any) -> str:
    name = (param.metavar or param.name).upper().rstrip(".") + ("..." if param.nargs == -1 else "")
    return name if param.required else f"[{name}]"


def row(param: Any, hint: Any) -> str:
    names = ", ".join(f"`{option}`" for option in (*param.opts, *param.secondary_opts))
    allowed = ", ".join(f"`{choice}`" for choice in choices(hint))
    says = text(param.help).replace("|", "&#124;") + (f" One of {allowed}." if allowed else "")
    return f"| {names} | {says} | {default(param)} |\n"


def choices(hint: Any) -> tuple[str, ...]:
    """The words that an option's type allows; none where it allows any."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return tuple(member.value for member in hint)
    return tuple(choice for part in get_args(hint) for choice in choices(part))


def default(param: Any) -> str:
    """In words where the option has words for it."""
    if isinstance(param.show_default, str):
        return param.show_default
    return "" if param.default in (None, False, ()) else f"`{param.default}`"


def text(help_text: str | None) -> str:
    return inspect.cleandoc(help_text or "")


if __name__ == "__main__":
    Path(__file__).with_name("help.md").write_text(help_page(), encoding="utf-8")
