"""A small synthesis job in a folder, and the test teacher that answers it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

from guardreasoner.cli import status_of

SAFE = {"prompt_harmfulness": "unharmful", "response_refusal": "compliance", "response_harmfulness": "unharmful"}
RECIPE = """
name = "test"
output = {output!r}
[teacher]
base_url = {address!r}
model = "teacher"
{teacher}
[synthesize]
teacher = "chat"
"""


class Job:
    """A run folder with its samples, and its recipe beside it."""

    def __init__(self, folder: Path, address: str, rows: int = 3, teacher: str = "", concurrency: int = 8) -> None:
        self.folder, self.address = folder / "run", address
        self.folder.mkdir(parents=True)
        self.recipe = folder / "recipe.toml"
        text = RECIPE.format(
            output=str(self.folder), address=address, teacher=f"concurrency = {concurrency}\n{teacher}"
        )
        self.recipe.write_text(text)
        with (self.folder / "samples.jsonl").open("w") as file:
            file.writelines(json.dumps(sample(number)) + "\n" for number in range(rows))

    def command(self, *options: str) -> list[str]:
        return ["synthesize", str(self.recipe), *options]

    def run(self, *options: str) -> int:
        return status_of(self.command(*options))

    @property
    def answers(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "answers.jsonl").read_text().splitlines()]

    @property
    def outcomes(self) -> dict[str, str]:
        """By id; the last counts."""
        return {answer["id"]: answer["outcome"] for answer in self.answers}

    @property
    def taught(self) -> list[str]:
        return [json.loads(line)["id"] for line in (self.folder / "reasoning.jsonl").read_text().splitlines()]


def sample(number: int) -> dict[str, Any]:
    """Three of four have a response."""
    alone = number % 4 == 3
    return {
        "id": f"row-{number}",
        "source": "test",
        "exchange": {
            "prompt": f"Question {number}: how do I bake bread?",
            "response": None if alone else "Mix and wait.",
        },
        "labels": {"prompt_harmfulness": "unharmful"} if alone else SAFE,
    }


class Teacher:
    """The server's set-up and what it saw."""

    def __init__(self, address: str) -> None:
        self.address = address

    def plan(self, **plan: Any) -> None:
        httpx.post(f"{self.address}/setup", json=plan).raise_for_status()

    def _seen(self) -> dict[str, Any]:
        return httpx.get(f"{self.address}/seen").json()

    @property
    def requests(self) -> list[dict[str, Any]]:
        return self._seen()["requests"]

    @property
    def times(self) -> list[int]:
        """How often each question was asked."""
        return sorted(self._seen()["times"].values())

    @property
    def submitted(self) -> list[int]:
        """How often each question stood in a batch."""
        return sorted(self._seen()["submitted"].values())

    @property
    def most_active(self) -> int:
        return self._seen()["most_active"]

    @property
    def files(self) -> int:
        """Files that the server keeps, of both directions."""
        return self._seen()["files"]
