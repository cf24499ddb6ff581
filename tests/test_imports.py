"""What is visible in the package, and what loading it and its command line costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import guardreasoner

HEAVY = {"torch", "transformers", "onnxruntime", "pyarrow", "sklearn", "onnx", "openai", "datasets", "matplotlib"}


def loaded_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint('loaded:', *sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.rpartition("loaded:")[2].split())


def test_what_is_visible_is_what_is_exported() -> None:
    assert dir(guardreasoner) == sorted(guardreasoner.__all__)


def test_every_exported_name_is_there() -> None:
    assert all(getattr(guardreasoner, name) is not None for name in guardreasoner.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'guardreasoner' has no attribute 'Gard'"):
        guardreasoner.Gard  # noqa: B018


@pytest.mark.parametrize(
    "code",
    [
        "import guardreasoner",
        "from guardreasoner import Guard; Guard()",
        "from guardreasoner.cli import status_of; assert status_of(['--help']) == 0",
        "from guardreasoner.cli import status_of; assert status_of(['check', '--help']) == 0",
        "from guardreasoner.cli import status_of; assert status_of(['export', '--help']) == 0",
        "from guardreasoner.cli import status_of; assert status_of('export no --to=datasets --output=x'.split()) == 2",
    ],
)
def test_no_heavy_library_is_loaded(code: str) -> None:
    assert loaded_by(code) & HEAVY == set()
