"""Prompts to completions on the CPU through onnxruntime: the packaged guard, or any exported folder. No PyTorch."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from guardreasoner.engines.decoding import decode
from guardreasoner.engines.hf_rows import check_fit, cut, tails
from guardreasoner.engines.onnx_model import Floats, OnnxModel, Slots
from guardreasoner.engines.prefix_cache import PrefixCache
from guardreasoner.engines.sampling import Ending, Row, generator, log_softmax
from guardreasoner.engines.templates import TokenTemplates, Writer
from guardreasoner.engines.wording import Ids, Wording
from guardreasoner.errors import EngineError, InputError
from guardreasoner.types import Completion, SamplingParams

PACKAGED = Path(__file__).parents[1] / "nano"
CACHE_BYTES = 256 * 2**20  # some 150 exchanges of 250 tokens with the packaged weights
SHORT = 8  # tokens that are cheaper read again than copied, and that many prompts read in one pass
TOGETHER = 16  # prompts in such a pass

Keep = Callable[[int, Floats], None]


class EmbeddedEngine:
    """A small language model as `guardreasoner.training.export` writes it.

    Log-probabilities are bit-identical whether a prompt runs alone, in a batch or after a cached beginning. Safe to
    call from several threads.

    Args:
        folder: the exported model; None = the weights that come with the package.
        threads: passes that run side by side in a batch; a single prompt always runs in one thread. None = the
            cores this process may use, at most 4.
    """

    def __init__(self, folder: Path | None = None, *, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise InputError(f"threads: {threads} is not above 0")
        if folder is None and not (PACKAGED / "model.onnx").is_file():
            raise EngineError(f"the packaged weights are missing: no model.onnx in {PACKAGED}; give a model's folder")
        folder = PACKAGED if folder is None else folder
        self._onnx = OnnxModel(folder)
        self._wording = Wording(folder)
        self._threads = threads or min(4, _cores())
        self._cache = PrefixCache(CACHE_BYTES)

    @property
    def model(self) -> str:
        return self._onnx.name

    @property
    def context_length(self) -> int:
        return self._onnx.context_length

    def count_tokens(self, text: str) -> int:
        return len(self._wording.encode(text))

    def generate(self, prompts: Sequence[str], params: SamplingParams) -> list[list[Completion]]:
        """As the protocol says. With a seed, a prompt's samples are the same in any batch."""
        encoded = [self._wording.encode(prompt) for prompt in prompts]
        check_fit([len(ids) for ids in encoded], self.context_length)
        samples = params.n if params.temperature > 0 else 1  # greedy samples are all the same
        nothing = Completion(text="", finish_reason="length", num_tokens=0, logprobs=() if params.logprobs else None)
        done = [[nothing] * samples for _ in encoded]
        ending = Ending(self._onnx.end_token_ids, self._wording.special, params.stop, self._wording.decode)
        given, ends = params.templates, self._onnx.end_token_ids
        templates = self._wording.templates(given, params.stop, ends) if given else {}
        # by length, so that rows that share a pass are alike
        queue = deque(sorted(range(len(encoded)) if params.max_tokens > 0 else (), key=lambda i: len(encoded[i])))

        def work() -> None:
            started = self._started(queue, encoded, params, templates, samples)
            for row, memory in decode(self._onnx, started, params, ending):
                self._remember([*row.prompt, *row.tokens[:-1]], memory, len(row.tokens))
                done[row.place][row.sample] = self._completion(row, params)

        self._in_threads([work] * min(self._threads, len(queue)))
        return [completions * (params.n // samples) for completions in done]

    def choose(self, prompts: Sequence[str], choices: Sequence[str]) -> list[list[float]]:
        """The sum of each choice's token log-probabilities after the prompt; choices are tokenised apart from it."""
        encoded = [self._wording.encode(prompt) for prompt in prompts]
        wanted = [self._wording.encode(choice) for choice in choices]
        for choice, ids in zip(choices, wanted, strict=True):
            if not ids:
                raise InputError(f"the choice {choice!r} has no tokens, expected at least 1")
        if not encoded or not wanted:
            return [[] for _ in encoded]
        check_fit([len(ids) for ids in encoded], self.context_length, max(len(choice) for choice in wanted))
        sums = [[0.0] * len(wanted) for _ in encoded]

        def keep_first(index: int, logits: Floats) -> None:
            logprobs = log_softmax(logits[0])
            sums[index] = [float(logprobs[choice[0]]) for choice in wanted]

        self._read(encoded, [1] * len(encoded), keep_first)
        fed, places = tails(wanted)
        rest = [tail for tail in fed if tail]

        def keep_rest(index: int, logits: Floats) -> None:
            prompt, tail = divmod(index, len(rest))
            logprobs = [log_softmax(row) for row in logits]
            for number, place in enumerate(places):
                if fed[place.row] == rest[tail]:
                    later = zip(logprobs, place.tokens[1:], strict=False)
                    sums[prompt][number] += sum(float(row[token]) for row, token in later)

        rows = [[*ids, *tail] for ids in encoded for tail in rest]
        self._read(rows, [len(tail) for _ in encoded for tail in rest], keep_rest)
        return sums

    def _started(
        self,
        queue: deque[int],
        encoded: Sequence[Ids],
        params: SamplingParams,
        templates: Mapping[int, TokenTemplates],
        samples: int,
    ) -> Iterator[tuple[Row, Floats]]:
        """Rows with their first token, one prompt after the other; a prompt is read once for all its samples."""
        while True:
            try:
                place = queue.popleft()
            except IndexError:
                return
            prompt = encoded[place]
            limit = min(params.max_tokens, self.context_length - len(prompt))
            logits, memory = self._prefill(prompt)
            chosen = next((templates[token] for token in reversed(prompt) if token in templates), None)
            quotable = self._wording.quotable(prompt, params.templates) if params.templates and chosen else None
            for sample in range(samples):
                writer = Writer(chosen, quotable) if chosen and quotable else None
                row = Row(place, sample, prompt, limit, generator(params, prompt, sample), writer)
                row.add(logits, params)
                yield row, memory

    def _prefill(self, ids: Ids) -> tuple[Floats, Floats]:
        """(logits of the next token, keys and values of all); alone, for a CPU reads many together no faster."""
        known = self._known(ids, len(ids) - 1)
        ((logits,), slots) = self._pass([ids], [known], [1])
        memory = slots.memory[:, 0, :, : len(ids)].copy()
        self._remember(ids, memory, len(ids) - _length(known))
        return logits[0], memory

    def _read(self, rows: Sequence[Ids], reads: Sequence[int], keep: Keep) -> None:
        """Hand the logits after the last `reads[i]` tokens of `rows[i]` to `keep(i, logits)`, from any thread."""
        known = [self._known(ids, len(ids) - read) for ids, read in zip(rows, reads, strict=True)]
        new = [len(ids) - _length(memory) for ids, memory in zip(rows, known, strict=True)]
        short = sorted((i for i in range(len(rows)) if new[i] <= SHORT), key=lambda i: len(rows[i]))
        groups = [short[start : start + TOGETHER] for start in range(0, len(short), TOGETHER)]
        groups += [[i] for i in range(len(rows)) if new[i] > SHORT]

        def read(group: list[int]) -> None:
            logits, slots = self._pass([rows[i] for i in group], [known[i] for i in group], [reads[i] for i in group])
            for place, i in enumerate(group):
                keep(i, logits[place])
                if new[i] > SHORT:
                    self._remember(rows[i], slots.memory[:, place, :, : len(rows[i])].copy(), new[i])

        self._in_threads([partial(read, group) for group in groups])

    def _pass(
        self, rows: Sequence[Ids], known: Sequence[Floats | None], reads: Sequence[int]
    ) -> tuple[list[Floats], Slots]:
        """One pass over what is not known of each row: logits of its last `reads` places, and the filled slots."""
        starts = [_length(memory) for memory in known]
        width = max(len(ids) - start for ids, start in zip(rows, starts, strict=True))
        slots = self._onnx.slots(len(rows), max(starts) + width)
        fed = np.zeros((len(rows), width), np.int64)
        places: list[int] = []
        for number, (ids, memory, start, read) in enumerate(zip(rows, known, starts, reads, strict=True)):
            if memory is not None:
                slots.memory[:, number, :, :start] = memory
            fed[number, : len(ids) - start] = ids[start:]
            last = number * width + len(ids) - start
            places += range(last - read, last)
        prefixes = np.array([self._onnx.prefix(ids) for ids in rows], np.int64)
        logits = self._onnx.forward(slots, fed, np.array(starts, np.int64), np.array(places, np.int64), prefixes)
        return np.split(logits, np.cumsum(reads)[:-1]), slots

    def _known(self, ids: Ids, limit: int) -> Floats | None:
        return self._cache.find(self._marked(ids), limit)

    def _remember(self, ids: Ids, memory: Floats, new: int) -> None:
        if new > SHORT:
            self._cache.store(self._marked(ids), memory)

    def _marked(self, ids: Ids) -> Ids:
        """`ids` with the first one told apart by all that is read both ways: without the whole of it, none is known."""
        if not (prefix := self._onnx.prefix(ids)):
            return ids
        mark = hashlib.blake2b(np.array(ids[:prefix], np.int64).tobytes(), digest_size=7).digest()
        return [-1 - int.from_bytes(mark), *ids[1:]]

    def _in_threads(self, jobs: Sequence[Callable[[], None]]) -> None:
        if len(jobs) < 2 or self._threads == 1:
            for job in jobs:
                job()
            return
        with ThreadPoolExecutor(min(self._threads, len(jobs))) as pool:
            try:
                for result in [pool.submit(job) for job in jobs]:
                    result.result()
            except BaseException:  # Ctrl-C too: what has not begun shall not begin
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _completion(self, row: Row, params: SamplingParams) -> Completion:
        text, length, ended = cut(row.tokens, params.stop, self._onnx.end_token_ids, self._wording.decode)
        return Completion(
            text=text,
            finish_reason="stop" if ended else "length",
            num_tokens=length,
            logprobs=tuple(row.logprobs[:length]) if params.logprobs else None,
        )


def _length(memory: Floats | None) -> int:
    return 0 if memory is None else memory.shape[2]


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
