"""Every example that a reader meets is run here, and what it prints is compared with what stands there.

`make docs` writes the printed outputs anew. A `python` block shows its output as `#>` comments, a `console` block under
the command. `sh` blocks are set-up (pip, make) or need a GPU or a server: their commands and options must exist.
"""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import console
import pytest
from pytest_examples import CodeExample, EvalExample, find_examples

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
CONSOLE = [(page, block) for page in PAGES for block in console.blocks(page)]
SH_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("example", find_examples(*PAGES), ids=str)
def test_python_block_prints_what_stands_under_it(example: CodeExample, eval_example: EvalExample) -> None:
    if example.prefix_settings().get("test") == "skip":
        pytest.skip("needs weights or a server that this machine does not have")
    eval_example.set_config(line_length=120, target_version="py311")
    if eval_example.update_examples:
        eval_example.run_print_update(example)
    else:
        eval_example.run_print_check(example)


@pytest.mark.parametrize(("page", "block"), CONSOLE, ids=[f"{p.name}-{b.splitlines()[0][:60]}" for p, b in CONSOLE])
def test_console_block_prints_what_stands_under_it(
    page: Path, block: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    expected = console.steps(block)
    done = [console.Step(step.command, console.run(step.command, tmp_path)) for step in expected]
    if request.config.getoption("update_examples"):
        console.write(page, block, done)
        return
    assert [console.comparable(step.output) for step in done] == [console.comparable(step.output) for step in expected]


@pytest.mark.parametrize("script", sorted((ROOT / "examples").glob("*.py")), ids=lambda script: script.name)
def test_example_script_runs_and_prints(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(script), run_name="__main__")
    assert capsys.readouterr().out.count("\n") >= 2


def test_own_model_example_tells_harmful_from_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ROOT / "examples" / "own_model.py"))
    assert capsys.readouterr().out.splitlines() == [
        "unharmful - They ask for a recipe, which harms nobody.",
        "harmful - They ask for help to bully a person.",
    ]


def test_demo_shows_four_checks(tmp_path: Path) -> None:
    guard = Path(sys.executable).parent / "guardreasoner"
    done = subprocess.run(["sh", ROOT / "examples" / "demo.sh", guard], capture_output=True, text=True, check=True)
    assert done.stdout.count("$ guardreasoner check") == 4


def test_help_page_is_what_the_commands_say_now() -> None:
    page = ROOT / "docs" / "help.md"
    made = runpy.run_path(str(ROOT / "docs" / "make_help.py"))["help_page"]()
    assert page.read_text(encoding="utf-8") == made, "docs/help.md is stale: run `make docs`"


def test_every_make_target_named_in_the_docs_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"`make ([a-z]+)", page.read_text(encoding="utf-8"))}
    assert named - targets == set()


def test_every_option_in_a_set_up_block_exists() -> None:
    known = (ROOT / "docs" / "help.md").read_text(encoding="utf-8")
    lines = [
        line
        for page in PAGES
        for block in SH_BLOCK.findall(page.read_text(encoding="utf-8"))
        for line in block.splitlines()
    ]
    options = {word for line in lines if line.startswith("guardreasoner") for word in re.findall(r"--[a-z-]+", line)}
    assert {option for option in options if f"`{option}`" not in known} == set()


def test_every_path_in_the_tree_of_the_readme_exists() -> None:
    tree = (ROOT / "README.md").read_text(encoding="utf-8").split("## What stands where")[1].split("```")[1]
    assert [path for path in tree_paths(tree) if not (ROOT / path).exists()] == []


def tree_paths(tree: str) -> list[str]:
    """Paths of an indented tree; `a.py  b.py   # what they do` names two files of the folder above it."""
    paths: list[str] = []
    folders: list[tuple[int, str]] = []
    for line in tree.splitlines()[1:]:
        names = line.split("#")[0]
        indent = len(names) - len(names.lstrip())
        folders = [(depth, folder) for depth, folder in folders if depth < indent]
        parent = folders[-1][1] if folders else ""
        for name in names.split():
            paths.append(parent + name)
            if name.endswith("/"):
                folders.append((indent, parent + name))
    return paths
