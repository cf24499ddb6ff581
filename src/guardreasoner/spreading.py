"""From batches of samples to judged rows: by one guard or several, each sample in a form that the model takes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from guardreasoner.errors import EngineError, NoProbabilities
from guardreasoner.guard import Guard
from guardreasoner.report.judged import Judged, judged
from guardreasoner.types import Exchange, Malformed, Mode, Sample


def judge(guard: Guard, samples: Sequence[Sample], mode: Mode) -> list[Judged]:
    """One batch. What does not fit the model is shortened; what cannot be judged at all is kept as a problem."""
    exchanges = [fit(guard, sample.exchange, mode) for sample in samples]
    started = time.perf_counter()
    each = guard.check_each(exchanges, mode=mode)
    read = [Malformed(text="", reason=reading) if isinstance(reading, str) else reading for reading in each]
    seconds = (time.perf_counter() - started) / len(samples)
    return [judged(*row, seconds, len(samples)) for row in zip(samples, exchanges, read, strict=True)]


def spread(
    guards: Sequence[Guard], batches: Iterable[Sequence[Sample]], mode: Mode, say: Callable[[str], None]
) -> Iterator[list[Judged]]:
    """The batches as they are judged, each by whichever guard is free. `say` is told of a guard that is given up."""
    if len(guards) == 1:
        yield from (judge(guards[0], batch, mode) for batch in batches)
        return
    free, left = deque(guards), deque(batches)
    running: dict[Future[list[Judged]], tuple[Guard, Sequence[Sample]]] = {}
    with ThreadPoolExecutor(len(guards)) as pool:
        while left or running:
            while free and left:
                guard, batch = free.popleft(), left.popleft()
                running[pool.submit(judge, guard, batch, mode)] = guard, batch
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                guard, batch = running.pop(future)
                try:
                    rows = future.result()
                except NoProbabilities:
                    raise
                except EngineError as error:
                    if not (free or running):
                        raise
                    left.appendleft(batch)
                    say(f"a replica failed and is left out: {error}")
                else:
                    free.append(guard)
                    yield rows


def fit(guard: Guard, exchange: Exchange, mode: Mode) -> Exchange:
    """`exchange`, or as much of the beginnings and ends of its longer texts as the model takes."""
    limit = max(len(exchange.prompt), len(exchange.response or ""))
    fitted = exchange
    while guard.explain_unfit(fitted, mode=mode) is not None:
        limit = limit * 4 // 5
        if limit < 16:  # its length is not what is wrong with it
            return exchange
        response = None if exchange.response is None else shorten(exchange.response, limit)
        fitted = Exchange(prompt=shorten(exchange.prompt, limit), response=response)
    return fitted


def shorten(text: str, limit: int) -> str:
    """`text`, or `limit` of its characters: two thirds of them from the beginning, the rest from the end."""
    if len(text) <= limit:
        return text
    head = limit * 2 // 3
    return f"{text[:head]} ... {text[len(text) - (limit - head) :]}"
