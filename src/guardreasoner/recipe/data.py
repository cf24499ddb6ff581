"""Which rows a run works on."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from guardreasoner.types import Record


class FileSource(Record):
    """A table of labelled rows: which column holds what. A column named here must be there; the others are ignored."""

    path: Path
    source: str | None = None
    """What `Sample.source` says; None = the file's name."""
    prompt: str = "prompt"
    response: str | None = None
    id: str | None = None
    prompt_harmfulness: str | None = None
    response_refusal: str | None = None
    response_harmfulness: str | None = None
    values: dict[str, str | dict[str, str]] = Field(default_factory=dict[str, str | dict[str, str]])
    """Value in the file -> label, where they differ: `{"1": "harmful", "0": "unharmful"}`; or column -> such a table,
    for one column alone: `{"refused": {"1": "refusal", "0": "compliance"}}`."""


class DataSection(Record):
    """Which rows. Folders are relative to where the command runs; labelled and text sources are files of `folder`."""

    folder: Path = Path("data")
    labelled: dict[str, int] = Field(default_factory=dict)
    """Rows taken at most from `labelled/<source>.jsonl.gz` (a seeded draw)."""
    leave_out_notes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Per source: rows whose `note` contains one of these are left out."""
    pairs: dict[str, int] = Field(default_factory=dict)
    """Ordinary dialogue of `text/*.jsonl.gz` by `source`, taken as benign request, compliance, unharmful response."""
    annotated: dict[str, Path] = Field(default_factory=dict[str, Path])
    """Dialogue of `text/*.jsonl.gz` by `source`, and the file that holds its labels (`data/annotated.py`)."""
    own: int = Field(default=0, ge=0)
    """Rows of our own making (`data/own`)."""
    text: dict[str, int] = Field(default_factory=dict)
    """Characters taken at most per text `source`, for language-model pretraining."""
    seeds: dict[str, int] = Field(default_factory=dict)
    """Rows taken at most of the paper's sources, by their names in `data/seeds.py`."""
    raw: Path | None = None
    """Folder that holds the seed sets in their upstream layout, or the file of the only one; None = the hub."""
    files: tuple[FileSource, ...] = ()
    """Your own rows: JSONL, CSV or Parquet."""
    released: tuple[Path, ...] = ()
    """Files in the form of the released GuardReasonerTrain (instruction, input, output)."""
    dev_share: float = Field(default=0.05, ge=0, lt=1)
    """Development split: this share of the normalised prompts, by hash."""
    seed: int = 0
