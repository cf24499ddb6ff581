"""What holds for the package as a whole: what it needs, what it weighs, what it ships."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from blocks import PAGES, ROOT
from packaging.requirements import Requirement

import guardreasoner


def base_distributions() -> list[importlib.metadata.Distribution]:
    """The package and everything that `pip install guardreasoner`, without extras, brings."""
    found: dict[str, importlib.metadata.Distribution] = {}
    waiting = [("guardreasoner", frozenset[str]())]
    while waiting:
        name, extras = waiting.pop()
        distribution = importlib.metadata.distribution(name)
        found[name] = distribution
        for text in distribution.requires or []:
            needed = Requirement(text)
            applies = needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in ("", *extras))
            if applies and needed.name.lower() not in found:
                waiting.append((needed.name.lower(), frozenset(needed.extras)))
    return list(found.values())


def on_disk(path: Path) -> int:
    return path.stat().st_blocks * 512 if path.is_file() else 0


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_base_install_brings_no_heavy_library() -> None:
    names = {distribution.metadata["Name"].lower() for distribution in base_distributions()}
    assert names & {"torch", "transformers", "accelerate", "onnx", "pyarrow", "scikit-learn", "scipy"} == set()


def test_base_install_takes_at_most_250_megabytes() -> None:
    installed = [Path(str(item.locate_file(file))) for item in base_distributions() for file in item.files or []]
    package = list((ROOT / "src").rglob("*"))
    assert sum(on_disk(path) for path in installed + package) / 2**20 <= 250


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "config.json", "MODEL_CARD.md"])
def test_wheel_carries_the_embedded_guard(name: str, wheel_names: set[str]) -> None:
    assert f"guardreasoner/nano/{name}" in wheel_names


def test_wheel_carries_the_published_figures(wheel_names: set[str]) -> None:
    assert "guardreasoner/data/published/f1.csv" in wheel_names


def test_wheel_says_that_the_package_is_typed(wheel_names: set[str]) -> None:
    assert "guardreasoner/py.typed" in wheel_names


def test_wheel_carries_the_package_alone(wheel_names: set[str]) -> None:
    assert {name.split("/")[0] for name in wheel_names} == {
        "guardreasoner",
        f"guardreasoner-{guardreasoner.__version__}.dist-info",
    }


def test_every_extra_named_by_an_error_or_a_page_exists() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    pages = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)
    named = set(re.findall(r"guardreasoner\[([a-z]+)\]", code + pages))
    named |= set(re.findall(r'MissingExtra\([^()]+, "([a-z]+)"\)', code))
    assert named - set(extras) == set()


def test_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert (guardreasoner.__version__, cited and cited.group(1)) == (project, project)


def test_make_says_which_python_it_needs(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    (tmp_path / "pyproject.toml").touch()
    old = tmp_path / "old-python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "PYTHON"))}
    done = subprocess.run(["make", "demo", f"PYTHON={old}"], cwd=tmp_path, env=plain, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (
        2,
        f"GuardReasoner needs Python 3.11 or newer, and '{old}' is Python 3.9.2."
        " Name another one: make demo PYTHON=python3.12\n",
    )
