"""From reasoning.jsonl to token ids: each example as the guard will be asked, what is left out counted per source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from guardreasoner.engines.hf_tokens import TextTokens
from guardreasoner.errors import InputError
from guardreasoner.formats import FORMATS, Format
from guardreasoner.formats.paper import PaperFormat
from guardreasoner.formats.paper_llama3 import PaperLlama3Format, in_template
from guardreasoner.recipe import Recipe, SFTSection
from guardreasoner.training.packing import Example
from guardreasoner.types import Exchange, Labels, Malformed, SFTExample

T = TypeVar("T")
Span = tuple[int, int]


@dataclass(frozen=True)
class Lesson:
    """Two texts, tokenised apart as at inference; `masked`: places in the completion that are not learnt."""

    source: str
    prompt: str
    completion: str
    weight: float = 1.0
    masked: tuple[Span, ...] = ()


@dataclass
class Count:
    """What became of the examples; grows while they are read."""

    examples: int = 0
    tokens: int = 0
    completion_tokens: int = 0
    masked_tokens: int = 0
    left_out: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    """Why -> source -> examples."""

    def leave_out(self, why: str, source: str) -> None:
        self.left_out.setdefault(why, Counter())[source] += 1


def format_of(recipe: Recipe) -> Format:
    """The format that this recipe's guard is trained in: the teacher's, in the template that `sft.template` names."""
    if recipe.synthesize.teacher == "rule":
        if recipe.sft.template == "llama3":
            raise InputError(
                "`sft.template` = 'llama3' is for the paper's format; `synthesize.teacher` = 'rule' writes another, "
                "expected 'plain'"
            )
        return FORMATS["nano"]
    return FORMATS["paper-llama3" if recipe.sft.template == "llama3" else "paper"]


def lessons(examples: Iterable[SFTExample], form: Format, section: SFTSection, count: Count) -> Iterator[Lesson]:
    """Each example in the texts that are taught; what is not is counted with its reason."""
    for example in examples:
        count.examples += 1
        lesson = _lesson(example, form, section)
        if isinstance(lesson, Lesson):
            yield lesson
        else:
            count.leave_out(lesson, example.source)


def encoded(
    lessons: Iterable[Lesson],
    tokens: TextTokens,
    end: int,
    cutoff: int,
    count: Count,
    prefix_ends: frozenset[int] = frozenset(),
) -> Iterator[Example]:
    """Token ids of each lesson of at most `cutoff` tokens.

    Every completion ends with the model's end token `end`, so that generation stops there: the format's own end marker,
    where that is the model's, is not written twice. `prefix_ends`: see `bases.prefix_ends`.
    """
    for some in chunks(lessons, 1000):
        prompts = tokens.prompts([lesson.prompt for lesson in some])
        answers = tokens.continuations([lesson.completion for lesson in some])
        for lesson, prompt, (answer, places) in zip(some, prompts, answers, strict=True):
            closed = answer if answer[-1:] == [end] else [*answer, end]
            ids = [*prompt, *closed]
            if len(ids) > cutoff:
                # LLaMA-Factory cuts such a text at its end, which takes the answers away; here it is left out
                count.leave_out(f"longer than {cutoff} tokens", lesson.source)
                continue
            masked = frozenset(len(prompt) + at for at in _inside(places, lesson.masked))
            count.tokens += len(ids)
            count.completion_tokens += len(closed)
            count.masked_tokens += len(masked)
            yield Example(ids, len(prompt), lesson.weight, masked, prefix(prompt, prefix_ends))


def prefix(prompt: Sequence[int], prefix_ends: frozenset[int]) -> int:
    """How many of the prompt's first tokens see each other both ways."""
    return next((at for at, token in enumerate(prompt) if token in prefix_ends), 0)


def chunks(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """`values` in lists of `size`: what a tokenizer knows of a text takes many times the ids that are kept."""
    rest = iter(values)
    while some := list(islice(rest, size)):
        yield some


def _lesson(example: SFTExample, form: Format, section: SFTSection) -> Lesson | str:
    """What is taught of the example, or why nothing is."""
    if not isinstance(form, PaperFormat):
        # every text of the format nano asks for one task that is annotated: there is nothing to mask in it
        if section.reasoning == "drop" and form.think and example.prompt.endswith(form.think):
            return "with reasoning, and the answers alone are taught"
        return Lesson(example.source, example.prompt, example.completion, example.weight)
    completion = example.completion
    if section.reasoning == "drop":
        answers = _answers(form, completion)
        if answers is None:
            return "no answer block, and the answers alone are taught"
        completion = answers
    masked = _unannotated(form, completion, example.labels) if section.unannotated == "mask" else ()
    prompt = in_template(example.prompt) if isinstance(form, PaperLlama3Format) else example.prompt
    return Lesson(example.source, prompt, completion, example.weight, masked)


def _answers(form: PaperFormat, completion: str) -> str | None:
    """The answers that the completion gives, as a guard writes them without reasoning; None if it gives none."""
    read = form.read(completion, Exchange(prompt="-", response="-"))
    if isinstance(read, Malformed):  # a request alone has no other answers
        read = form.read(completion, Exchange(prompt="-"))
    return None if isinstance(read, Malformed) else form.write(read.labels)


def _unannotated(form: PaperFormat, completion: str, gold: Labels | None) -> tuple[Span, ...]:
    """The answer lines of tasks without a gold label. Where no labels are kept, nobody knows which those are."""
    if gold is None:
        return ()
    lines = form.answer_lines(completion)
    return tuple(span for task, spans in lines.items() if gold.get(task) is None for span in spans)


def _inside(places: Sequence[Span], spans: Sequence[Span]) -> list[int]:
    """The tokens that share a character with one of `spans`."""
    return [at for at, (start, end) in enumerate(places) if any(start < last and first < end for first, last in spans)]
