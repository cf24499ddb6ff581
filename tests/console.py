"""From a Markdown file to its `console` blocks, run in a shell and compared, or written anew."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS = re.compile(r"""\d+(?:\.\d+)?(?= ?(?:ms|s|seconds)\b)|(?<="seconds":)\s*[\d.e-]+""")


@dataclass
class Step:
    """One command of a block and what stands under it."""

    command: str
    output: list[str] = field(default_factory=list)


def blocks(path: Path) -> list[str]:
    return [match.group(1) for match in BLOCK.finditer(path.read_text(encoding="utf-8"))]


def steps(block: str) -> list[Step]:
    """`$ ` starts a command and `> ` continues it; every other line is output."""
    found: list[Step] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append(Step(line[2:]))
        elif line.startswith("> ") and not found[-1].output:
            found[-1].command += "\n" + line[2:]
        else:
            found[-1].output.append(line)
    return found


def run(command: str, folder: Path) -> list[str]:
    """Lines of stdout and stderr together, then the exit status where it is not 0."""
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


def comparable(lines: list[str]) -> list[str]:
    """Seconds differ from run to run; everything else is compared."""
    return [SECONDS.sub("N", line.rstrip()) for line in lines]


def write(path: Path, block: str, done: list[Step]) -> None:
    """Put the outputs of `done` in the place of those in `block`."""
    lines = [line for step in done for line in ("$ " + step.command.replace("\n", "\n> "), *step.output)]
    text = path.read_text(encoding="utf-8").replace(block, "\n".join(lines) + "\n")
    path.write_text(text, encoding="utf-8")
