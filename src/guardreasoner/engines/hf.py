"""Prompts to completions through transformers: a local folder or a hub id, on a CPU or a CUDA device."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guardreasoner.engines.hf_loop import DecodeLoop
from guardreasoner.engines.hf_rows import Ids, batches, check_fit, cut, tails
from guardreasoner.engines.hf_tokens import TextTokens, end_tokens
from guardreasoner.errors import EngineError, InputError, MissingExtra
from guardreasoner.types import Completion, SamplingParams

if TYPE_CHECKING:
    import torch


class HFEngine:
    """A causal language model of the transformers library, run in left-padded batches.

    Args:
        model: a folder that `save_pretrained` wrote, or a hub id.
        device: `cpu`, `cuda`, `cuda:1`, ...; None = CUDA where there is one.
        dtype: a torch dtype or its name; None = the checkpoint's own.
        batch_size: sequences that run together; lower it when memory runs out.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        device: str | None = None,
        dtype: torch.dtype | str | None = None,
        batch_size: int = 8,
    ) -> None:
        if batch_size < 1:
            raise InputError(f"batch_size: {batch_size} is not above 0")
        self._model = str(model)
        self._batch_size = batch_size
        self._torch, self._transformers = _libraries()
        self._device = _device(self._torch, device)
        with self._failures():
            self._tokenizer, self._network = _load(self._transformers, self._model, dtype or "auto", self._device)
        config = self._network.config.get_text_config()
        self._context_length: int | None = getattr(config, "max_position_embeddings", None)
        self._ends = end_tokens(self._network.generation_config, self._tokenizer)
        self._pad = (
            self._tokenizer.pad_token_id if self._tokenizer.pad_token_id is not None else min(self._ends, default=0)
        )
        self._tokens = TextTokens(self._tokenizer)
        self._accepts = frozenset(inspect.signature(self._network.forward).parameters)
        # The model's own sampling defaults (temperature, top_k, repetition penalty) must not join in: clean ones.
        self._network.generation_config = self._transformers.GenerationConfig(
            eos_token_id=sorted(self._ends) or None, pad_token_id=self._pad
        )
        self._lock = threading.Lock()

    @property
    def model(self) -> str:
        return self._model

    @property
    def context_length(self) -> int | None:
        return self._context_length

    def count_tokens(self, text: str) -> int:
        return len(self._tokens.prompt(text))

    def apply_chat_template(self, messages: Sequence[Mapping[str, Any]]) -> str | None:
        """`messages` as the checkpoint's own chat template writes them, up to where the model answers."""
        if not self._tokenizer.chat_template:
            return None
        try:
            return self._tokenizer.apply_chat_template(
                [dict(each) for each in messages], tokenize=False, add_generation_prompt=True
            )
        except Exception as error:
            raise EngineError(f"{self._model}: its chat template failed: {error}") from error

    def generate(self, prompts: Sequence[str], params: SamplingParams) -> list[list[Completion]]:
        """As the protocol says. Sampling with a seed repeats for the same prompts, batch size and device."""
        rows = [self._tokens.prompt(prompt) for prompt in prompts]
        check_fit([len(row) for row in rows], self._context_length)
        room = [self._room(row, params.max_tokens) for row in rows]
        done: list[list[Completion]] = [[] for _ in rows]
        size = max(1, self._batch_size // params.n)
        with self._lock, self._failures(), self._seeded(params):
            for batch in batches([len(row) for row in rows], room, params.max_tokens, size):
                limit = min(room[index] for index in batch)
                for index, completions in zip(
                    batch, self._sample([rows[i] for i in batch], params, limit), strict=True
                ):
                    done[index] = completions
        return done

    def choose(self, prompts: Sequence[str], choices: Sequence[str]) -> list[list[float]]:
        """The sum of each choice's token log-probabilities after the prompt; choices are tokenised apart from it."""
        rows, wanted = (
            [self._tokens.prompt(prompt) for prompt in prompts],
            [self._tokens.continuation(choice) for choice in choices],
        )
        if not rows or not wanted:
            return [[] for _ in rows]
        check_fit([len(row) for row in rows], self._context_length, max(len(choice) for choice in wanted))
        fed, places = tails(wanted)
        sequences = [row + tail for row in rows for tail in fed]
        last = max(len(tail) for tail in fed) + 1
        order = sorted(range(len(sequences)), key=lambda index: -len(sequences[index]))
        read: dict[int, torch.Tensor] = {}
        with self._lock, self._failures():
            for start in range(0, len(order), self._batch_size):
                batch = order[start : start + self._batch_size]
                read |= dict(zip(batch, self._last_logprobs([sequences[index] for index in batch], last), strict=True))
        return [
            [
                _sum(read[number * len(fed) + place.row][last - 1 - len(fed[place.row]) :], place.tokens)
                for place in places
            ]
            for number in range(len(rows))
        ]

    def _sample(self, rows: Sequence[Ids], params: SamplingParams, limit: int) -> list[list[Completion]]:
        """One batch. Greedy samples are all the same, so that one is made and repeated."""
        sampled = params.temperature > 0
        n = params.n if sampled else 1
        ids, mask = self._padded(rows)
        loop = DecodeLoop(self._torch, self._tokens.decode, ids.shape[1], params)
        options: dict[str, Any] = (
            {"temperature": params.temperature, "top_p": params.top_p, "top_k": 0} if sampled else {}
        )
        out = self._network.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=limit,
            do_sample=sampled,
            num_return_sequences=n,
            logits_processor=self._transformers.LogitsProcessorList([loop.watch] if params.logprobs else []),
            stopping_criteria=self._transformers.StoppingCriteriaList([loop.stop]),
            **options,
        )
        completions = [
            self._completion(tokens, logprobs, params)
            for tokens, logprobs in zip(out[:, ids.shape[1] :].tolist(), loop.rows(out.shape[0]), strict=True)
        ]
        grouped = [completions[start : start + n] for start in range(0, len(completions), n)]
        return [group * (params.n // n) for group in grouped]

    def _completion(self, tokens: Ids, logprobs: Sequence[float], params: SamplingParams) -> Completion:
        text, length, ended = cut(tokens, params.stop, self._ends, self._tokens.decode)
        return Completion(
            text=text,
            finish_reason="stop" if ended else "length",
            num_tokens=length,
            logprobs=tuple(logprobs[:length]) if params.logprobs else None,
        )

    def _last_logprobs(self, rows: Sequence[Ids], last: int) -> torch.Tensor:
        """Log-probabilities after each of the `last` final tokens, [rows][last][vocabulary], float32, on the CPU."""
        ids, mask = self._padded(rows)
        options: dict[str, Any] = {"logits_to_keep": last} if "logits_to_keep" in self._accepts else {}
        if "position_ids" in self._accepts:
            options["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)
        with self._torch.inference_mode():
            logits: torch.Tensor = self._network(input_ids=ids, attention_mask=mask, use_cache=False, **options).logits
            return logits[:, -last:].float().log_softmax(-1).cpu()

    def _padded(self, rows: Sequence[Ids]) -> tuple[torch.Tensor, torch.Tensor]:
        width = max(len(row) for row in rows)
        ids = [[self._pad] * (width - len(row)) + row for row in rows]
        mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
        return self._torch.tensor(ids, device=self._device), self._torch.tensor(mask, device=self._device)

    def _room(self, row: Ids, wanted: int) -> int:
        return wanted if self._context_length is None else min(wanted, self._context_length - len(row))

    @contextmanager
    def _seeded(self, params: SamplingParams) -> Generator[None]:
        """Seeds the sampling and puts the caller's random state back; without a seed that state goes on."""
        if params.seed is None or params.temperature <= 0:
            yield
            return
        devices = [self._device] if self._device.type == "cuda" else []
        with self._torch.random.fork_rng(devices=devices):
            self._torch.manual_seed(params.seed)
            yield

    @contextmanager
    def _failures(self) -> Generator[None]:
        try:
            yield
        except EngineError:
            raise
        except RuntimeError as error:
            first = str(error).strip().partition("\n")[0]
            if isinstance(error, self._torch.OutOfMemoryError) or "can't allocate memory" in first:
                raise EngineError(
                    f"{self._model}: out of memory on {self._device} with batch_size={self._batch_size}, "
                    "expected a smaller batch_size or model to fit"
                ) from error
            raise EngineError(f"{self._model}: the model failed on {self._device}: {first}") from error


def hub_file(model: str, name: str) -> Path | None:
    """A small file of a model on the hub, from the cache if it is there; None if the model has none, or no hub is."""
    _, transformers = _libraries()
    found: str | None = transformers.utils.cached_file(
        model,
        name,
        _raise_exceptions_for_gated_repo=False,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    return None if found is None else Path(found)


def _libraries() -> tuple[Any, Any]:
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtra("the hf engine", "hf") from error
    return torch, transformers


def _device(torch: Any, wanted: str | None) -> torch.device:
    there = torch.cuda.is_available()
    try:
        device = torch.device(wanted or ("cuda" if there else "cpu"))
    except RuntimeError:
        raise InputError(f"device {wanted!r} is unknown, expected cpu, cuda or cuda:NUMBER") from None
    if device.type == "cuda" and not there:
        raise InputError(f"device {wanted!r} is not there: PyTorch {torch.__version__} sees no CUDA, expected cpu")
    return device


def _load(transformers: Any, model: str, dtype: Any, device: torch.device) -> tuple[Any, Any]:
    try:
        config: dict[str, Any] = transformers.PretrainedConfig.get_config_dict(model)[0]
        if config.get("model_type") == "prefix-bert":
            raise EngineError(
                f"{model}: found the checkpoint of an embedded guard, which transformers cannot run; expected its "
                "exported folder (the stage `quantize` makes it)"
            )
        tokenizer = transformers.AutoTokenizer.from_pretrained(model)
        network = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=dtype)
    except (OSError, ValueError) as error:
        first = " ".join(str(error).split(". ")[0].split())
        is_path = Path(model).is_dir() or Path(model).is_absolute()
        where = "" if is_path else "there is no folder of that name, and from the hub "
        raise EngineError(f"{model}: {where}no causal language model could be loaded: {first}") from error
    return tokenizer, network.to(device).eval()


def _sum(logprobs: torch.Tensor, tokens: Sequence[int]) -> float:
    return float(sum(float(logprobs[position, token]) for position, token in enumerate(tokens)))
