"""From the command line's own help to docs/help.md.

Written from the commands' options, not from the text that a terminal shows: that one changes with the width and the
version of the library that draws it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
    rows = "".join(row(param) for param in shown if param.param_type_name == "option")
    table = f"\n| option | what it does | default |\n|---|---|---|\n{rows}" if rows else ""
    return f"\n## `{usage}`\n\n{text(command.help)}\n{table}"


def usage_of(param: Any) -> str:
    name = (param.metavar or param.name).upper() + ("..." if param.nargs == -1 else "")
    return name if param.required else f"[{name}]"


def row(param: Any) -> str:
    names = ", ".join(f"`{option}`" for option in (*param.opts, *param.secondary_opts))
    default = "" if param.default in (None, False, ()) or callable(param.default) else f"`{param.default}`"
    return f"| {names} | {text(param.help).replace('|', '&#124;')} | {default} |\n"


def text(help_text: str | None) -> str:
    return inspect.cleandoc(help_text or "").replace("\b\n", "")


if __name__ == "__main__":
    Path(__file__).with_name("help.md").write_text(help_page(), encoding="utf-8")
