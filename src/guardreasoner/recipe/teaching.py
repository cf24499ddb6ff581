"""Who writes the reasoning, and what of it is taught."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from guardreasoner.types import PositiveShare, Record, TaskName


class TeacherSection(Record):
    """A chat endpoint that writes the reasoning. Defaults are the paper's (section 4.1, appendix)."""

    model: str = "gpt-4o-2024-08-06"
    base_url: str | None = None
    """None = OpenAI's, or what OPENAI_BASE_URL says."""
    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key; the key itself never stands in a recipe."""
    temperature: Annotated[float | None, BeforeValidator(lambda value: None if value == "default" else value)] = Field(
        default=0.0, ge=0
    )
    """None, in a recipe the word `default`, = not sent: some models refuse any."""
    max_tokens: int = Field(default=2048, ge=1)
    concurrency: int = Field(default=64, ge=1)
    """Requests under way at most; fewer while the server asks for patience."""
    timeout: float = Field(default=120.0, gt=0)
    """Seconds until an answer that does not come is asked for again."""
    attempts: int = Field(default=6, ge=1)
    """Calls per sample at most, before it counts as failed. Being told to wait counts a tenth."""
    price_prompt: float | None = Field(default=None, ge=0)
    price_completion: float | None = Field(default=None, ge=0)
    """US dollars per million tokens; needed for a cost estimate and for --max-cost."""
    batch_requests: int = Field(default=50_000, ge=1)
    batch_bytes: int = Field(default=200_000_000, ge=1)
    """What one batch file may hold; the defaults are OpenAI's."""


class SynthesizeSection(Record):
    """Who writes the reasoning, and which of it is taught.

    `rule`: offline, from the gold labels and the words of the exchange; it writes the embedded guard's format.
    `chat`: the model of the section `teacher`; it writes the paper's format.
    """

    teacher: Literal["rule", "chat"] = "rule"
    keep: Literal["sound", "all"] = "sound"
    """`chat`: `sound` rejects what the filters find, with counted reasons; `all` keeps whatever was answered, as the
    authors did."""
    benchmarks: Path | None = None
    """Folder of the authors' benchmark files; samples that overlap with a prompt there are rejected."""
    statements: tuple[str, ...] = ()
    """Sources whose prompts are statements with a label of their own: each is also judged as a response."""
    positive_share: PositiveShare = Field(default_factory=dict[TaskName, float])
    """`rule`: the weight of a task's positive label among its examples; the rows' own share where none is given, as in
    the paper."""
