"""The rival that reasons about nothing: a sentence encoder with one head per task, trained on the labels alone.

    python perf/ablation/encoder.py RUN ENCODER --data BENCHMARK_FILES --output FOLDER

RUN is a run folder whose stage `data` is done: the same rows, tasks and label weights as the embedded guard's, with no
reasoning. ENCODER is a BERT encoder's folder or hub id. Killed while training, it starts anew; a trained one is not
trained again.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from rich.progress import track
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import AutoTokenizer, BertModel

from guardreasoner.data.benchmarks import Chosen, choose
from guardreasoner.metrics import Prediction, score
from guardreasoner.recipe import Recipe
from guardreasoner.run import RunFolder, read_records
from guardreasoner.teachers.lessons import label_weights, views
from guardreasoner.types import Exchange, Sample, Task

TASKS = tuple(Task)
RATE = 1.5e-4
REQUEST, BESIDE, RESPONSE = 240, 128, 192  # tokens of a request alone, of one with a response, of a response
BATCH_TOKENS = 4096


class Row(NamedTuple):
    """Token ids and segments, and per task the label (1 = positive) and its weight (0 = not asked)."""

    ids: list[int]
    segments: list[int]
    labels: list[float]
    weights: list[float]


class Classifier(nn.Module):
    """Mean of the encoder's last states, then one logit per task."""

    def __init__(self, encoder: str) -> None:
        super().__init__()
        self.encoder = BertModel.from_pretrained(encoder, add_pooling_layer=False, attention_probs_dropout_prob=0.0)
        self.heads = nn.Linear(self.encoder.config.hidden_size, len(TASKS))

    def forward(self, ids: Tensor, segments: Tensor, mask: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            states = self.encoder(input_ids=ids, token_type_ids=segments, attention_mask=mask).last_hidden_state
            seen = mask.unsqueeze(-1).to(states.dtype)
            return self.heads(((states * seen).sum(1) / seen.sum(1)).float()).float()


class Texts:
    """From an exchange to what the encoder reads; the middle of what is too long is left out."""

    def __init__(self, encoder: str) -> None:
        whole = AutoTokenizer.from_pretrained(encoder)
        self._first, self._separator = whole.cls_token_id, whole.sep_token_id
        self._tokenizer = whole.backend_tokenizer
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def encode(self, exchange: Exchange) -> tuple[list[int], list[int]]:
        alone = exchange.response is None
        request = self._cut(exchange.prompt[:6000], REQUEST if alone else BESIDE)
        ids = [self._first, *request, self._separator]
        segments = [0] * len(ids)
        if exchange.response is not None:
            response = [*self._cut(exchange.response[:8000], RESPONSE), self._separator]
            ids, segments = ids + response, segments + [1] * len(response)
        return ids, segments

    def _cut(self, text: str, most: int) -> list[int]:
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        head = most * 2 // 3
        return ids if len(ids) <= most else ids[:head] + ids[len(ids) - (most - head) :]


def rows_of(samples: Sequence[Sample], recipe: Recipe, texts: Texts) -> list[Row]:
    """One row per text: a request by itself, and a request with its response for the two tasks about it."""
    asked = [view for _, view in views(samples, recipe.synthesize, recipe.data.seed) if not view.reasoned]
    weights = label_weights(Counter((view.task, view.label) for view in asked), recipe.synthesize.positive_share)
    rows: dict[Exchange, Row] = {}
    for view in asked:
        exchange = view.exchange if view.task.needs_response else Exchange(prompt=view.exchange.prompt)
        if exchange not in rows:
            rows[exchange] = Row(*texts.encode(exchange), [0.0] * len(TASKS), [0.0] * len(TASKS))
        place = TASKS.index(view.task)
        rows[exchange].labels[place] = float(view.label == view.task.positive)
        rows[exchange].weights[place] = weights[view.task, view.label]
    return list(rows.values())


def batches(rows: Sequence[Row], rng: random.Random) -> list[list[Row]]:
    """Rows of like length together, in random order."""
    order = list(range(len(rows)))
    rng.shuffle(order)
    order.sort(key=lambda row: len(rows[row].ids) // 16)
    found: list[list[Row]] = [[]]
    for row in (rows[place] for place in order):
        if found[-1] and len(row.ids) * (len(found[-1]) + 1) > BATCH_TOKENS:
            found.append([])
        found[-1].append(row)
    rng.shuffle(found)
    return found


def padded(rows: Sequence[Row]) -> tuple[Tensor, Tensor, Tensor]:
    """Ids, segments and what is no padding, [rows, longest] each."""
    ids, segments, mask = (torch.zeros(len(rows), max(len(row.ids) for row in rows), dtype=torch.long) for _ in "123")
    for place, row in enumerate(rows):
        ids[place, : len(row.ids)] = torch.tensor(row.ids)
        segments[place, : len(row.ids)] = torch.tensor(row.segments)
        mask[place, : len(row.ids)] = 1
    return ids, segments, mask


def train(model: Classifier, rows: Sequence[Row], rate: float, epochs: float, seed: int) -> None:
    """AdamW, cosine after a short warm-up, weighted cross-entropy of each asked task, averaged over texts."""
    matrices = [weight for weight in model.parameters() if weight.ndim == 2]
    others = [weight for weight in model.parameters() if weight.ndim != 2]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=rate)
    rng = random.Random(seed)
    steps = [batch for _ in range(math.ceil(epochs)) for batch in batches(rows, rng)]
    steps = steps[: math.ceil(len(steps) * epochs / math.ceil(epochs))]
    model.train()
    for step, batch in enumerate(track(steps, "training")):
        share = min(1.0, (step + 1) / (0.06 * len(steps))) * 0.5 * (1 + math.cos(math.pi * step / len(steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate * share
        logits = model(*padded(batch))
        labels, weights = torch.tensor([row.labels for row in batch]), torch.tensor([row.weights for row in batch])
        loss = (binary_cross_entropy_with_logits(logits, labels, reduction="none") * weights).sum() / len(batch)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()


def scores(model: Classifier, rows: Sequence[Row], task: Task) -> np.ndarray:
    """P(positive) of each row."""
    model.eval()
    found = np.zeros(len(rows))
    order = sorted(range(len(rows)), key=lambda row: -len(rows[row].ids))
    with torch.no_grad():
        for start in range(0, len(order), 64):
            part = order[start : start + 64]
            logits = model(*padded([rows[place] for place in part]))[:, TASKS.index(task)]
            found[part] = torch.sigmoid(logits).numpy()
    return found


def trained(encoder: str, run: Path, output: Path, rate: float, epochs: float, seed: int) -> Classifier:
    """The encoder and its heads; `output`/encoder.pt is there whole, and not made twice."""
    torch.manual_seed(seed)
    model, weights = Classifier(encoder), output / "encoder.pt"
    if weights.is_file():
        model.load_state_dict(torch.load(weights, weights_only=True))
        return model
    rows = rows_of(list(read_records(RunFolder(run).train, Sample)), recipe_of(run), Texts(encoder))
    sys.stdout.write(f"{len(rows):,} texts, {sum(len(row.ids) for row in rows):,} tokens\n")
    train(model, rows, rate, epochs, seed)
    output.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), weights.with_suffix(".partial"))
    weights.with_suffix(".partial").replace(weights)
    return model


def judge(
    model: Classifier, texts: Texts, samples: Sequence[Sample], task: Task
) -> tuple[list[Sample], list[Prediction]]:
    """The samples that are annotated for the task, and what the encoder says of each."""
    found = [sample for sample in samples if sample.labels.get(task) is not None]
    asked = [each.exchange if task.needs_response else Exchange(prompt=each.exchange.prompt) for each in found]
    answers = scores(model, [Row(*texts.encode(exchange), [], []) for exchange in asked], task)
    return found, [
        Prediction(sample.labels.get(task) or "", task.labels[0] if p >= 0.5 else task.labels[1], score=float(p))
        for sample, p in zip(found, answers, strict=True)
    ]


def report(model: Classifier, texts: Texts, chosen: Chosen) -> Iterator[str]:
    """A Markdown table, a line per benchmark."""
    yield "| benchmark | task | n | F1 | 95 % | precision | recall | FPR | AUPRC |"
    yield "|---|---|---:|---:|---|---:|---:|---:|---:|"
    for asked in chosen.asked:
        samples, task = chosen.sets[asked.stem], asked.task
        _, predictions = judge(model, texts, samples, task)
        cell = score(predictions, task)
        figures = [cell.f1, cell.precision, cell.recall, cell.fpr, cell.auprc]
        f1, *rest = (f"{100 * value:.1f}" if value is not None else "-" for value in figures)
        bounds = cell.f1_interval
        span = "-" if bounds is None else f"{100 * bounds.low:.1f} to {100 * bounds.high:.1f}"
        yield f"| {asked.name} | {task.value} | {cell.n} | {f1} | {span} | {' | '.join(rest)} |"


def recipe_of(run: Path) -> Recipe:
    """What a run folder was made with."""
    return Recipe.model_validate_json((run / "recipe.json").read_text(encoding="utf-8"))


def parser_of(doc: str | None) -> argparse.ArgumentParser:
    """What both scripts here are told: the run, the encoder, what to judge and where to keep it."""
    parser = argparse.ArgumentParser(description=(doc or "").split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("encoder")
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--output", type=Path, required=True)
    return parser


def main() -> None:
    """Train, unless it is done, and judge."""
    parser = parser_of(__doc__)
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--epochs", type=float, default=1.0, help="a part of one is a part of the rows")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    model = trained(asked.encoder, asked.run, asked.output, asked.rate, asked.epochs, asked.seed)
    for line in report(model, Texts(asked.encoder), choose(asked.data, None, ())):
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
