"""From an exchange to a Verdict: opens the model, finds its format, and says what cannot be judged."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from guardreasoner.engines import Engine
from guardreasoner.errors import InputError, MalformedAnswer
from guardreasoner.formats import FORMATS, Format
from guardreasoner.inputs import Asked, as_exchange, checked_budget, checked_mode, checked_thresholds
from guardreasoner.judging import Draft, Judging
from guardreasoner.types import Exchange, Malformed, Mode, Task, Verdict


class Guard:
    """Judges exchanges. Nothing is loaded before the first check.

    Args:
        model: None = the embedded guard; a folder, a hub id or a server's URL; or an engine.
        mode: `reason` thinks before it answers, `fast` answers at once.
        max_reasoning_tokens: where reasoning is cut; None = the format's own, 256 for `nano`, 2048 for `paper`.
        thresholds: P(positive label) from which a task's answer is its positive label, 0.5 where not given.
        format: `paper`, `paper-llama3`, `nano` or a Format; None = the one that the model's folder remembers from its
            training, else `nano` if the model knows its markers, else `paper`.
    """

    def __init__(
        self,
        model: str | Path | Engine | None = None,
        *,
        mode: Mode = "reason",
        max_reasoning_tokens: int | None = None,
        thresholds: Mapping[Task, float] | None = None,
        format: str | Format | None = None,
    ) -> None:
        self._model = model
        self._format = format
        self._opened: Engine | None = None
        self._opening = threading.Lock()
        self.mode: Mode = checked_mode(mode)
        self._budget = checked_budget(max_reasoning_tokens)
        self.thresholds = checked_thresholds(thresholds or {})

    @property
    def engine(self) -> Engine:
        """Opened at its first use, once for all threads."""
        if self._opened is None:
            with self._opening:
                if self._opened is None:
                    self._opened = self._open()
        return self._opened

    def _open(self) -> Engine:
        if self._model is None or isinstance(self._model, str | Path):
            from guardreasoner.engines.opening import open_engine

            return open_engine(self._model)
        return self._model

    def __getstate__(self) -> dict[str, object]:
        """A copy, or a guard in another process, opens its model itself."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_opened", "_opening")}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__ |= state | {"_opened": None, "_opening": threading.Lock()}

    @cached_property
    def format(self) -> Format:
        if self._format is not None and not isinstance(self._format, str):
            return self._format
        name = self._format or self._remembered or ("nano" if _knows_markers(self.engine) else "paper")
        if name not in FORMATS:
            raise InputError(f"unknown format {name!r}, expected one of {', '.join(FORMATS)}")
        return FORMATS[name]

    @property
    def _remembered(self) -> str | None:
        """What training left beside the weights; an engine that was handed in is not asked."""
        if self._model is None or isinstance(self._model, str | Path):
            from guardreasoner.engines.opening import remembered_format

            return remembered_format(self._model)
        return None

    @property
    def model(self) -> str:
        """The name that verdicts carry."""
        return self.engine.model

    @cached_property
    def weights(self) -> str | None:
        """Tells new weights from old ones of the same name; None for a server, a hub id or an engine handed in."""
        if self._model is None or isinstance(self._model, str | Path):
            from guardreasoner.engines.opening import fingerprint

            return fingerprint(self._model)
        return None

    @property
    def max_reasoning_tokens(self) -> int:
        return self.format.max_reasoning_tokens if self._budget is None else self._budget

    @property
    def _judging(self) -> Judging:
        return Judging(self.engine, self.format, self.thresholds, self.max_reasoning_tokens)

    def check(self, prompt: str, response: str | None = None, *, mode: Mode | None = None) -> Verdict:
        """Judge one exchange.

        Raises:
            InputError: the prompt is empty, a text is not valid Unicode, or the exchange does not fit the model.
            EngineError: the model or its server failed.
            MalformedAnswer: the model gives no probabilities and wrote no readable answer, or its server lists neither
                answer among the likeliest tokens.
        """
        judging, started = self._judging, time.perf_counter()
        mode = self.mode if mode is None else checked_mode(mode)
        (read,) = judging.judge([judging.drafts(as_exchange(prompt, response), mode)], mode, started)
        if isinstance(read, Malformed):
            raise MalformedAnswer(read)
        return read

    def check_batch(self, exchanges: Iterable[Asked], *, mode: Mode | None = None) -> list[Verdict | Malformed]:
        """One reading per exchange, in order.

        An exchange that cannot be judged is an InputError; it names the index, unless only the model's server knew.
        """
        judging, started = self._judging, time.perf_counter()
        mode = self.mode if mode is None else checked_mode(mode)
        drafts: list[list[Draft]] = []
        for index, asked in enumerate(exchanges):
            try:
                drafts.append(judging.drafts(as_exchange(asked), mode))
            except InputError as error:
                raise InputError(f"exchange {index}: {error}") from error
        return judging.judge(drafts, mode, started)

    def check_each(self, exchanges: Sequence[Exchange], *, mode: Mode | None = None) -> list[Verdict | Malformed | str]:
        """`check_batch` for rows of a file: one that cannot be judged gives the sentence that says why, not an error.

        A server may refuse an exchange that only it can count, or withhold an answer; then each is asked alone.
        """
        mode = self.mode if mode is None else checked_mode(mode)
        _ = self._judging  # a model that cannot be opened is no fault of a row
        unfit = [self.explain_unfit(exchange, mode=mode) for exchange in exchanges]
        fit = [exchange for exchange, why in zip(exchanges, unfit, strict=True) if why is None]
        read = iter(self._together(fit, mode))
        return [next(read) if why is None else why for why in unfit]

    def _together(self, exchanges: Sequence[Exchange], mode: Mode) -> list[Verdict | Malformed | str]:
        try:
            return [*self.check_batch(exchanges, mode=mode)]
        except InputError as error:
            if len(exchanges) == 1:
                return [str(error)]
            return [read for exchange in exchanges for read in self._together([exchange], mode)]

    def explain_unfit(self, asked: Asked, *, mode: Mode | None = None) -> str | None:
        """Why `check` would refuse this exchange, or None if it would judge it."""
        judging, mode = self._judging, self.mode if mode is None else checked_mode(mode)
        try:
            judging.drafts(as_exchange(asked), mode)
        except InputError as error:
            return str(error)
        return None


def _knows_markers(engine: Engine) -> bool:
    """Whether a marker of the nano format is one token to this model, as only that format's tokenizers have it."""
    from guardreasoner.formats.nano import ASSISTANT, THINK

    alone, both = engine.count_tokens(ASSISTANT), engine.count_tokens(ASSISTANT + THINK)
    return alone is not None and both is not None and both - alone == 1 and alone <= 2
