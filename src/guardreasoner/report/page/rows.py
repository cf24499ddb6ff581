"""From rows to folded entries that a reader can search: errors of one guard, disagreements of two."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from guardreasoner.report.judged import Judged
from guardreasoner.report.page.content import Content, Outcome, outcome, score_of
from guardreasoner.report.page.html import Node, e
from guardreasoner.report.reasoning import contradictions
from guardreasoner.report.terminal import TITLES
from guardreasoner.types import Exchange, Task

MOST_PER_KIND = 100
"""Entries per set and kind; a page of thousands is slow to open and nobody reads it."""
MOST_CHARACTERS = 2000
"""Of one text; what is longer is shown without its middle, and says so."""


@dataclass(frozen=True)
class Voice:
    """One answer to a row: whose, and what."""

    name: str
    judged: Judged


@dataclass(frozen=True)
class Entry:
    """One row with every answer to it."""

    benchmark: str
    task: Task
    voices: tuple[Voice, ...]

    @property
    def row(self) -> Judged:
        """Any of the records: they share id, source and gold."""
        return self.voices[0].judged

    @property
    def exchange(self) -> Exchange | None:
        return next((voice.judged.exchange for voice in self.voices if voice.judged.exchange), None)

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        return tuple(outcome(voice.judged, self.task) for voice in self.voices)

    @property
    def kinds(self) -> tuple[str, ...]:
        """`missed: reason`, what went wrong and in whose answer; and whether the answers are the same."""
        each = zip(self.outcomes, self.voices, strict=True)
        wrong = [f"{what}: {voice.name}" for what, voice in each if what != "right"]
        return (*wrong, *(["the answers differ"] if self.differs else []))

    @property
    def differs(self) -> bool:
        return len({_answer(voice.judged, self.task) for voice in self.voices}) > 1


def entries(content: Content) -> list[Entry]:
    """A row per set, with the answer of each mode."""
    found: list[Entry] = []
    for benchmark, task in content.sets:
        cells = [cell for cell in content.evaluation.cells if (cell.benchmark, cell.task) == (benchmark, task)]
        voices: dict[tuple[str, str], list[Voice]] = {}
        for cell in cells:
            for row in content.annotated(cell):
                voices.setdefault((row.source, row.id), []).append(Voice(cell.mode, row))
        found += [Entry(benchmark, task, tuple(each)) for each in voices.values()]
    return found


def errors(content: Content) -> list[Entry]:
    """The rows that some mode got wrong."""
    return [entry for entry in entries(content) if set(entry.outcomes) != {"right"}]


def section(found: Sequence[Entry], what: str) -> list[Node]:
    """The entries with their search; those beyond the cap are counted. Without scripts they are a plain list."""
    kept, left = capped(found)
    if not found:
        return [e("p", f"No {what}.")]
    said = f"{len(kept):,} of {len(found):,} {what} are shown"
    cap = f", the most certain {MOST_PER_KIND} of each set and kind; the rest is in predictions/." if left else "."
    return [
        e("p", said, cap),
        _controls(kept),
        e("p", f"{len(kept):,} shown", class_="count", role="status", aria_live="polite"),
        e("div", *map(_folded, kept), class_="rows"),
    ]


def capped(found: Iterable[Entry]) -> tuple[list[Entry], int]:
    """At most `MOST_PER_KIND` per set and kinds, the most certain first; and how many are left out."""
    groups: dict[tuple[str, Task, tuple[str, ...]], list[Entry]] = {}
    for entry in found:
        groups.setdefault((entry.benchmark, entry.task, entry.kinds), []).append(entry)
    kept: list[Entry] = []
    for group in groups.values():
        kept += sorted(group, key=_doubt)[:MOST_PER_KIND]
    return kept, sum(map(len, groups.values())) - len(kept)


def _doubt(entry: Entry) -> float:
    """0 where a wrong answer was given with certainty, 1 where it could have been either."""
    wrong = [voice for voice, what in zip(entry.voices, entry.outcomes, strict=True) if what != "right"]
    scores = [score for voice in wrong or entry.voices if (score := score_of(voice.judged, entry.task)) is not None]
    return min((1 - abs(2 * score - 1) for score in scores), default=1.0)


def _controls(found: Sequence[Entry]) -> Element:
    """Hidden until the script is there to serve them."""
    sets = dict.fromkeys(_set(entry) for entry in found)
    kinds = sorted({kind for entry in found for kind in entry.kinds})
    return e(
        "form",
        e("label", "Search ", e("input", type="search", name="words", placeholder="words in texts and reasoning")),
        e("label", "Set ", e("select", *_options("all sets", sets), name="set")),
        e("label", "Kind ", e("select", *_options("all kinds", kinds), name="kind")),
        e("button", "Unfold all shown", type="button", name="unfold"),
        class_="controls",
        hidden=True,
    )


def _options(every: str, values: Iterable[str]) -> list[Node]:
    return [e("option", every, value=""), *(e("option", value, value=value) for value in values)]


def _folded(entry: Entry) -> Element:
    row = entry.row
    score = [
        f"{voice.name} {score:.3f}"
        for voice in entry.voices
        if (score := score_of(voice.judged, entry.task)) is not None
    ]
    badges = [e("span", kind, class_=f"badge {kind.partition(':')[0].replace(' ', '-')}") for kind in entry.kinds]
    summary = e(
        "summary",
        e("span", _set(entry), class_="where"),
        " ",
        e("span", f"#{row.id}", class_="id"),
        *(node for badge in badges for node in (" ", badge)),
        e("span", f" P({entry.task.positive}) {', '.join(score)}", class_="score") if score else None,
        _excerpt(entry),
    )
    facts = e("p", "Gold: ", e("strong", row.gold.get(entry.task)), f". Source: {row.source}, {row.id}.")
    voices = e("div", *(_voice(voice, entry) for voice in entry.voices), class_="voices")
    return e("details", summary, facts, *_texts(entry), voices, data_set=_set(entry), data_kinds="|".join(entry.kinds))


def _excerpt(entry: Entry) -> Node:
    """The beginning of a request that people have labelled harmless; all other texts stay folded."""
    if entry.exchange is None or entry.row.gold.prompt_harmfulness != "unharmful":
        return None
    text = " ".join(entry.exchange.prompt.split())
    return e("span", text[:110] + ("\u2026" if len(text) > 110 else ""), class_="excerpt")


def _texts(entry: Entry) -> list[Node]:
    if entry.exchange is None:
        return [e("p", "The texts of this row are not at hand.", class_="note")]
    request, response = entry.exchange.prompt, entry.exchange.response
    return [_text("Request", request), None if response is None else _text("Response", response)]


def _text(name: str, text: str) -> Element:
    return e("figure", e("figcaption", name), e("pre", _short(text), dir="auto", tabindex="0"))


def _short(text: str) -> str:
    if len(text) <= MOST_CHARACTERS:
        return text
    half = MOST_CHARACTERS // 2
    return f"{text[:half]}\n[\u2026 {len(text) - 2 * half:,} characters left out here \u2026]\n{text[-half:]}"


def _voice(voice: Voice, entry: Entry) -> Element:
    row = voice.judged
    said: list[Node] = []
    if row.labels is None or row.problem:
        said.append(e("p", e("strong", "Refused: " if row.declined else "Unreadable: "), row.problem or "no answer"))
    for task in row.labels.tasks if row.labels else ():
        score = score_of(row, task)
        line = f"{TITLES[task]}: {row.labels.get(task) if row.labels else ''}" + (
            "" if score is None else f" ({score:.3f})"
        )
        said.append(e("li", e("strong", line) if task is entry.task else line))
    words = row.reasoning or row.text
    against = contradictions(row.reasoning, row.labels) if row.reasoning and row.labels else ()
    return e(
        "section",
        e("h4", f"{voice.name}: {outcome(row, entry.task)}"),
        e("ul", *said),
        e("p", f"Its reasoning concludes otherwise on {', '.join(TITLES[task] for task in against)}.", class_="bad")
        if against
        else None,
        e("p", "Judged in shortened form: it did not fit the model.", class_="note") if row.shortened else None,
        e("pre", _short(words), dir="auto", tabindex="0") if words else e("p", "No reasoning.", class_="note"),
    )


def _answer(row: Judged, task: Task) -> str | None:
    return None if row.labels is None else row.labels.get(task)


def _set(entry: Entry) -> str:
    return f"{entry.benchmark}, {TITLES[entry.task]}"
