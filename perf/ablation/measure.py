"""The paper's ablation (section 5.3) at the size of the embedded guard: which stage adds what.

    python perf/ablation/measure.py RUN ENCODER --data BENCHMARK_FILES --output FOLDER

RUN is a run folder whose stages `data`, `synthesize` and `pretrain` are done. Each seed trains six guards on the same
rows, at the budget that --epochs sets: the answers alone; R-SFT; and HS-DPO of that R-SFT model with pairs of its own
that all weigh one (plain DPO), with the same pairs weighted, with those of them that keep the labels' shares of R-SFT,
and with the pairs of an ensemble. Beside them ENCODER, a sentence encoder with one head per task. All are judged on the
development split and on the benchmark files, at most --limit rows of each. What is done is not done again, so a stopped
run goes on; `page.py` shows what is kept.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import encoder
from page import ALL, BALANCED, HEADS, LABELS, PLAIN, REASONED, SYSTEMS, kept

from guardreasoner import Guard, Labels, Verdict
from guardreasoner.data.benchmarks import choose
from guardreasoner.errors import InputError
from guardreasoner.jsonl import write_objects
from guardreasoner.recipe import DPOSection, EnsembleSection, MineSection, Recipe
from guardreasoner.report.judged import judged
from guardreasoner.run import RunFolder, read_records, write_whole
from guardreasoner.stages import dpo, ensemble, mine, quantize, sft
from guardreasoner.stages.evaluate import draw, evaluate
from guardreasoner.types import Sample, Scores, Task

SHARED = ("samples.jsonl", "dev.jsonl", "reasoning.jsonl", "pretrain")
MEMBERS = EnsembleSection(  # each lacks a third of the sources that people or models annotated, by what they are
    leave_out={
        "attacks": ("gptfuzz_labelled", "jailbreakbench_artifacts", "adaptive_attacks", "refusal_direction_runs"),
        "questions": ("coconot", "harmful_instruction_lists", "red_instruct", "do_not_answer", "ailuminate_demo"),
        "talk": ("dices", "diasafety", "davidson_tweets", "stormfront_sentences"),
    }
)
MINED = MineSection(max_tokens=128)
PREFERRED = DPOSection(learning_rate=2e-5, batch_size=16, batch_tokens=4096, cutoff=512, weight_decay=0.0)


def recipe_of(base: Recipe, arm: str, seed: int, epochs: float, inputs: int) -> Recipe:
    """The recipe of one guard: the run's own at this budget and seed, with the sections above where it has none."""
    reasoning = "drop" if arm == LABELS else "keep"
    taught = base.sft.model_copy(update={"seed": seed, "epochs": epochs, "reasoning": reasoning})
    none = {"ensemble": EnsembleSection(), "mine": None, "dpo": None, "soup": None}
    untuned = base.model_copy(update={"sft": taught, **none})
    if arm in (LABELS, REASONED):
        return untuned
    mined, preferred = base.mine or MINED, base.dpo or PREFERRED
    gamma = 0.0 if arm == PLAIN else mined.gamma
    share = base.synthesize.positive_share if arm == BALANCED else {}
    if arm == BALANCED and (not share or mined.decides == "all"):
        raise InputError(
            f"`synthesize.positive_share` is {share} and `mine.decides` {mined.decides!r}, expected the shares that "
            "balanced pairs keep, and 'in order'"
        )
    drawn = mined.model_copy(update={"seed": seed, "limit": inputs, "gamma": gamma, "positive_share": share})
    members = (base.ensemble if base.ensemble.leave_out else MEMBERS) if arm == ALL else EnsembleSection()
    tuned = preferred.model_copy(update={"seed": seed})
    return untuned.model_copy(update={"ensemble": members, "mine": drawn, "dpo": tuned})


def link(folder: Path, source: Path, names: Sequence[str]) -> None:
    """What another folder has made already, under the same names. InputError for what it has not."""
    for name in names:
        if not (source / name).exists():
            raise InputError(f"{source / name}: not there; run the stage before this one first")
        if not (folder / name).is_symlink():
            (folder / name).symlink_to((source / name).resolve())


def train(recipes: Mapping[str, Recipe], run: Path, output: Path, seed: int) -> Iterator[tuple[str, Path]]:
    """Every guard of one seed, in the order in which they need each other, and the folder that the engine opens."""
    reasoned = output / f"{REASONED}-{seed}"
    for arm, recipe in recipes.items():
        place = output / f"{arm}-{seed}"
        folder = RunFolder(place)
        folder.open(recipe)  # refuses what was made at another budget
        link(place, run, SHARED)
        if arm in (LABELS, REASONED):
            sft.run(recipe, folder)
        else:
            (reasoned / "rollouts").mkdir(exist_ok=True)
            link(place, reasoned, ["sft", "rollouts"])  # the same model, asked the same
            ensemble.run(recipe, folder)
            mine.run(recipe, folder)
            dpo.run(recipe, folder)
        quantize.run(recipe, folder)
        yield arm, folder.quantized


def judge_encoder(
    model: encoder.Classifier, source: str, sets: Mapping[str, Sequence[Sample]], output: Path, seed: int
) -> None:
    """Its answers as the guards' are kept, each set once."""
    texts = encoder.Texts(source)
    for name, samples in sets.items():
        path = kept(output, HEADS, seed, name, "fast")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            continue
        found: dict[tuple[str, str], tuple[Sample, dict[str, str], dict[str, float]]] = {}
        for task in Task:
            asked, predictions = encoder.judge(model, texts, samples, task)
            for sample, prediction in zip(asked, predictions, strict=True):
                _, labels, scores = found.setdefault((sample.source, sample.id), (sample, {}, {}))
                labels[task.value], scores[task.value] = prediction.predicted or "", prediction.score or 0.0
        verdicts = [
            (sample, Verdict(labels=Labels.model_validate(labels), scores=Scores.model_validate(scores)))
            for sample, labels, scores in found.values()
        ]
        rows = (judged(sample, sample.exchange, verdict, 0.0) for sample, verdict in verdicts)
        write_objects(path, (row.model_dump(exclude_none=True) for row in rows))


def main() -> None:
    """Train and judge, seed after seed."""
    parser = encoder.parser_of(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=float, default=0.12)
    parser.add_argument("--inputs", type=int, default=500)
    parser.add_argument("--limit", type=int, default=500)
    asked = parser.parse_args()
    base = encoder.recipe_of(asked.run)
    chosen = choose(asked.data, None, ())
    sets = {name: draw(list(rows), asked.limit) for name, rows in chosen.sets.items()}
    sets["dev"] = draw(list(read_records(RunFolder(asked.run).dev, Sample)), asked.limit)
    sizes = {name: len(rows) for name, rows in sets.items()}
    stems = {f"{each.name} {each.task.value}": each.stem for each in chosen.asked}
    settings = {"epochs": asked.epochs, "inputs": asked.inputs, "rows": sizes, "stems": stems}
    asked.output.mkdir(parents=True, exist_ok=True)
    beside: Path = asked.output / "settings.json"
    if beside.is_file() and (before := json.loads(beside.read_text(encoding="utf-8"))) != settings:
        raise SystemExit(f"{beside}: found {before}, expected {settings}; choose another --output")
    write_whole(beside, json.dumps(settings, indent=2) + "\n")
    arms = dict.fromkeys(arm for arm, _ in SYSTEMS if arm != HEADS)
    recipes = {  # all are checked before any training
        seed: {arm: recipe_of(base, arm, seed, asked.epochs, asked.inputs) for arm in arms} for seed in asked.seeds
    }
    started = time.perf_counter()
    for seed in asked.seeds:
        place = asked.output / f"{HEADS}-{seed}"
        heads = encoder.trained(asked.encoder, asked.run, place, encoder.RATE, asked.epochs, seed)
        judge_encoder(heads, asked.encoder, sets, asked.output, seed)
        for arm, model in train(recipes[seed], asked.run, asked.output, seed):
            guard = Guard(model)
            for mode in [mode for judged_arm, mode in SYSTEMS if judged_arm == arm]:
                for name, rows in sets.items():
                    path = kept(asked.output, arm, seed, name, mode)
                    evaluate(guard, rows, path, mode, bar=f"{arm} {seed}, {name}, {mode}")
            sys.stdout.write(f"{arm}, seed {seed}: {time.perf_counter() - started:.0f} s\n")
            sys.stdout.flush()


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        raise SystemExit(str(error)) from None
