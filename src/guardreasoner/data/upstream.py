"""From what is known of a set that other people publish to where it lies, and what fetches it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

HUB, GITHUB = "https://huggingface.co/datasets", "https://github.com"
GITHUB_FILES = "https://raw.githubusercontent.com"


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """One split: where it is, what its rows hold, and on what terms."""

    name: str
    hub: str
    """`owner/name` on the hub, or on GitHub where `host` says so."""
    split: str
    revision: str | None
    """The commit that the counts belong to, so that an id means the same row tomorrow; None: it could not be learnt."""
    file: str
    """The split's file in that folder, or in a copy of it."""
    fields: tuple[str, ...]
    licence: str
    config: str | None = None
    gated: bool = False
    host: Literal["hub", "github"] = "hub"
    by_file: bool = False
    """The hub is asked for `file` itself: the split of that name is another one, or a script's."""

    @property
    def page(self) -> str:
        """Where a person looks, and accepts the terms of a gated set."""
        return f"{HUB if self.host == 'hub' else GITHUB}/{self.hub}"

    @property
    def place(self) -> str:
        return f"{self.hub}@{self.revision}" if self.revision else self.hub

    def address(self, base: str = GITHUB_FILES) -> str:
        """Of the file, on GitHub."""
        return f"{base}/{self.hub}/{self.revision or 'HEAD'}/{quote(self.file)}"

    def download(self, folder: Path) -> str:
        """The command that brings the file where `local` looks for it."""
        target = folder / self.hub.split("/")[1]
        if self.host == "github":
            return f"curl -L --create-dirs -o {shlex.quote(str(target / self.file))} {self.address()}"
        revision = f" --revision {self.revision}" if self.revision else ""
        return (
            f'hf download {self.hub} "{self.file}" --repo-type dataset{revision} --local-dir {shlex.quote(str(target))}'
        )

    def cure(self, folder: Path) -> str:
        """What a person does to get the file into `folder`."""
        terms = f"accept the terms at {self.page}, run `hf auth login`, then " if self.gated else ""
        return f"{terms}`{self.download(folder)}`"

    def places(self, raw: Path) -> list[Path]:
        """Where a person may have put the file below `raw`, likeliest first."""
        owner, name = self.hub.split("/")
        base = Path(self.file).name
        found = [folder / self.file for folder in (raw / owner / name, raw / name, raw / self.name, raw)]
        return [*found, raw / name / base, raw / self.name / base, raw / base]
