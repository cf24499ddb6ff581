"""From a Markdown page to its `python` and `console` blocks as they come out when they are run.

`python tests/blocks.py` writes the outputs in README, CONTRIBUTING and docs anew.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))

_BLOCK = re.compile(r"^```(python|console|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SECONDS = re.compile(r"""\d+(?:\.\d+)?(?= ?(?:ms|s|seconds)\b)|(?<="seconds":)\s*[\d.e-]+""")


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, its language and its text, outputs included."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    def run(self) -> str:
        """The text with the outputs of now."""
        if self.language == "python":
            return run_python(self.text)
        with tempfile.TemporaryDirectory() as folder:
            for each in ("examples", "recipes"):
                shutil.copytree(ROOT / each, Path(folder) / each)
            return run_console(self.text, Path(folder))


def blocks(*languages: str) -> list[Block]:
    found: list[Block] = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            if match.group(1) in languages:
                found.append(Block(page, text.count("\n", 0, match.start()) + 1, match.group(1), match.group(2)))
    return found


def run_python(text: str) -> str:
    """What a top-level statement prints stands under it in lines that start with `#>`."""
    lines = [line for line in text.splitlines() if not line.startswith("#>")]
    shown: list[str] = []
    names: dict[str, Any] = {"__name__": "__main__"}
    written = 0
    for statement in ast.parse("\n".join(lines)).body:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(ast.Module([statement], []), "<block>", "exec", dont_inherit=True), names)
        shown += lines[written : statement.end_lineno]
        shown += [f"#> {line}".rstrip() for line in printed.getvalue().splitlines()]
        written = statement.end_lineno or written
    return "\n".join([*shown, *lines[written:]]) + "\n"


def run_console(text: str, folder: Path) -> str:
    """`$ ` starts a command, `> ` continues it; under it stand stdout, stderr and an exit status that is not 0."""
    shown: list[str] = []
    for command in re.findall(r"^\$ .*(?:\n> .*)*", text, re.MULTILINE):
        shown.append(command)
        shown += _shell("\n".join(line[2:] for line in command.splitlines()), folder)
    return "\n".join(shown) + "\n"


def comparable(text: str) -> str:
    """Seconds differ from run to run; everything else is compared."""
    return _SECONDS.sub("N", text)


def _shell(command: str, folder: Path) -> list[str]:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "TERM": "dumb",
    }
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    return lines if done.returncode == 0 else [*lines, f"[exit status {done.returncode}]"]


def main() -> None:
    for block in blocks("python", "console"):
        now = block.run()
        if comparable(now) != comparable(block.text):
            text = block.page.read_text(encoding="utf-8")
            fenced = f"```{block.language}\n"
            block.page.write_text(text.replace(f"{fenced}{block.text}```", f"{fenced}{now}```"), encoding="utf-8")
            print(f"{block}: written anew")


if __name__ == "__main__":
    main()
