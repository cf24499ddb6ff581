"""Every example that a reader meets is run here, and what it prints is compared with what stands there.

`make docs` writes the printed outputs anew. A `python` block shows its output as `#>` comments, a `console` block under
the command. `sh` blocks are set-up (pip, make) or need a GPU or a server: their commands and options must exist.
"""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from blocks import PAGES, ROOT, Block, blocks, comparable, run_console, run_python


@pytest.mark.parametrize("block", blocks("python", "console"), ids=str)
def test_block_prints_what_stands_there(block: Block) -> None:
    assert comparable(block.run()) == comparable(block.text)


def test_output_of_a_loop_stands_under_the_loop() -> None:
    assert run_python("for n in (1, 2):\n    print(n)\n#> old\n") == "for n in (1, 2):\n    print(n)\n#> 1\n#> 2\n"


def test_exit_status_of_a_command_stands_under_its_output(tmp_path: Path) -> None:
    assert run_console("$ echo no; exit 3\nold\n", tmp_path) == "$ echo no; exit 3\nno\n[exit status 3]\n"


def test_seconds_are_not_compared() -> None:
    assert comparable('took 1.25 s, {"seconds":0.5}, 0.97') == 'took N s, {"seconds":N}, 0.97'


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
    lines = [line for block in blocks("sh") for line in block.text.splitlines() if line.startswith("guardreasoner")]
    options = {option for line in lines for option in re.findall(r"--[a-z-]+", line)}
    assert {option for option in options if f"`{option}`" not in known} == set()


def test_every_path_in_the_tree_of_the_readme_exists() -> None:
    tree = (ROOT / "README.md").read_text(encoding="utf-8").split("## What stands where")[1].split("```")[1]
    assert [path for path in tree_paths(tree) if not (ROOT / path).exists()] == []


def tree_paths(tree: str) -> list[str]:
    """Paths of an indented tree; `a.py  b.py   # what they do` names two files of the folder above it."""
    paths: list[str] = []
    folders: list[tuple[int, str]] = []
    for line in tree.strip().splitlines()[1:]:
        names = line.split("#")[0]
        indent = len(names) - len(names.lstrip())
        folders = [(depth, folder) for depth, folder in folders if depth < indent]
        parent = folders[-1][1] if folders else ""
        for name in names.split():
            paths.append(parent + name)
            if name.endswith("/"):
                folders.append((indent, parent + name))
    return paths
