"""From samples.jsonl to answers.jsonl by a chat teacher: one call after another, or in the provider's batch files."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import dataclass
from pathlib import Path

from guardreasoner.errors import InputError, Stopped
from guardreasoner.formats.teacher import Message
from guardreasoner.jsonl import Journal
from guardreasoner.recipe import Recipe
from guardreasoner.run import RunFolder
from guardreasoner.teachers.answers import Answers, count_lines, questions
from guardreasoner.teachers.asking import Asking, Tally
from guardreasoner.teachers.batch_jobs import open_requests
from guardreasoner.teachers.cost import BATCH_SHARE, Budget, estimated_tokens, price


@dataclass(frozen=True)
class Options:
    """What one call of the command says, beside the recipe."""

    max_cost: float | None = None
    batch: bool = False
    poll: float = 30.0


@dataclass(frozen=True)
class Preview:
    """What a run would ask and cost. Token counts are by the rule of `cost.CHARACTERS_PER_TOKEN`."""

    messages: tuple[Message, ...] | None
    samples: int
    left: int
    failed: int
    prompt_tokens: int
    completion_tokens: int
    expected_completion: float
    spent: float | None
    cost: float | None


def preview(recipe: Recipe, folder: RunFolder, options: Options) -> Preview:
    """Asks nothing and writes nothing."""
    teacher, known = recipe.teacher, Answers(folder.answers)
    Budget(teacher, known.cost, options.max_cost)
    first: tuple[Message, ...] | None = None
    samples = left = failed = characters = 0
    for question in questions(folder.train, teacher):
        samples += 1
        if question not in known:
            left += 1
            failed += known.failed(question)
            characters += question.characters()
            first = first or question.messages
    prompt = estimated_tokens(characters)
    expected = min(known.cost.mean_completion, teacher.max_tokens)
    completion = round(left * expected)
    cost = price(teacher, prompt, completion)
    return Preview(
        messages=first,
        samples=samples,
        left=left,
        failed=failed,
        prompt_tokens=prompt,
        completion_tokens=completion,
        expected_completion=expected,
        spent=known.cost.dollars(teacher),
        cost=None if cost is None else cost * (BATCH_SHARE if options.batch else 1.0),
    )


def ask_all(recipe: Recipe, folder: RunFolder, options: Options) -> Tally:
    """Every sample has a line in answers.jsonl when this returns.

    Raises:
        InputError: no key, no prices for a limit, unreadable samples.
        EngineError: the server takes no such requests, or is down.
        Stopped: the user or the limit ended it.
    """
    if options.batch:
        from guardreasoner.teachers.batches import ask_in_batches

        with Journal(folder.answers) as journal:
            return asyncio.run(ask_in_batches(recipe.teacher, folder, journal, options.max_cost, options.poll))
    if waiting := open_requests(folder):
        raise InputError(
            f"{folder.root}: {waiting:,} requests are in batches that were not collected yet; "
            "run it with --batch to collect them first, or they are paid for twice"
        )
    with Journal(folder.answers) as journal:
        return asyncio.run(_ask_live(recipe, folder.train, journal, options.max_cost))


async def _ask_live(recipe: Recipe, samples: Path, journal: Journal, max_cost: float | None) -> Tally:
    from guardreasoner.teachers.chat import ChatServer
    from guardreasoner.teachers.interrupts import GO_ON, interrupts
    from guardreasoner.teachers.progress import show

    teacher = recipe.teacher
    known = Answers(journal.path)
    budget = Budget(teacher, known.cost, max_cost)
    tally = Tally(total=count_lines(samples))
    server = ChatServer(teacher)
    asking = Asking(server, teacher, journal, known, budget, tally)
    bar = asyncio.create_task(show(tally, lambda: budget.spent, lambda: asking.pause))
    gc.freeze()  # the libraries' objects stay: going through them again and again takes a twentieth of the time
    with interrupts(lambda: asking.end(Stopped(GO_ON))):
        try:
            await asking.all(questions(samples, teacher))
        finally:
            bar.cancel()
            await asyncio.wait([bar])
            await server.close()
            gc.unfreeze()
    return tally
