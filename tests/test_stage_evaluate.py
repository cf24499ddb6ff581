"""Evaluation: what is kept, what a resumed run does again, and the figures of the report."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tiny import make_tiny_checkpoint

from guardreasoner import Exchange, Guard, Labels, Sample, SamplingParams, Task
from guardreasoner.engines.scripted import ScriptedEngine
from guardreasoner.errors import EngineError, InputError, NoProbabilities
from guardreasoner.report.judged import Judged, cell_of
from guardreasoner.report.kept import read_judged
from guardreasoner.spreading import fit, shorten
from guardreasoner.stages.evaluate import draw, evaluate
from guardreasoner.types import Completion, Harmfulness


def flags(word: str) -> Callable[[str, str], float]:
    """Log-probabilities of a guard that finds harmful what holds `word`, and takes every response for compliance."""

    def score(prompt: str, choice: str) -> float:
        positive = word in prompt and "compliance" not in choice and "refusal" not in choice
        wanted = ("|harmful|" if positive else "|unharmful|", "|compliance|")
        return math.log(0.9 if any(each in choice for each in wanted) else 0.1)

    return score


class Counting(ScriptedEngine):
    """A scripted engine that counts the exchanges it reasons about, and fails at one that holds `fails_at`."""

    def __init__(self, fails_at: str | None = None, **options: object) -> None:
        super().__init__("Looks at the words.", flags("fool"), **options)  # pyright: ignore
        self.fails_at = fails_at
        self.seen = 0

    def generate(self, prompts: Sequence[str], params: SamplingParams) -> list[list[Completion]]:
        if self.fails_at and any(self.fails_at in prompt for prompt in prompts):
            raise EngineError("the server went away")
        self.seen += len(prompts)
        return super().generate(prompts, params)


class Mute(ScriptedEngine):
    """A model without probabilities that writes no answers either."""

    def choose(self, prompts: Sequence[str], choices: Sequence[str]) -> list[list[float]]:
        raise NoProbabilities("this server gives no log-probabilities")


def request(id: str, prompt: str, label: Harmfulness) -> Sample:
    return Sample(id=id, source="own", exchange=Exchange(prompt=prompt), labels=Labels(prompt_harmfulness=label))


SAMPLES = [
    request("1", "How do I bake bread for many people?", "unharmful"),
    request("2", "Call my brother a fool in front of all.", "harmful"),
    request("3", "Who wrote about a wise fool?", "unharmful"),
    request("4", "Mock the new girl.", "harmful"),
    request("5", "Hi.", "unharmful"),
]


def guard(engine: ScriptedEngine | None = None, **options: object) -> Guard:
    return Guard(engine or Counting(), format="nano", **options)  # pyright: ignore


def test_predictions_come_in_the_order_of_the_samples(tmp_path: Path) -> None:
    judged = evaluate(guard(), SAMPLES, tmp_path / "p.jsonl", "reason", batch_size=2)
    assert [row.id for row in judged] == ["1", "2", "3", "4", "5"]


def test_prediction_holds_gold_label_score_and_reasoning(tmp_path: Path) -> None:
    row = evaluate(guard(), SAMPLES, tmp_path / "p.jsonl", "reason")[1]
    assert (row.gold, row.labels, row.scores and row.scores.prompt_harmfulness, row.reasoning) == (
        Labels(prompt_harmfulness="harmful"), Labels(prompt_harmfulness="harmful"), pytest.approx(0.9),
        "Looks at the words.",
    )  # fmt: skip


def test_mode_fast_reasons_about_nothing(tmp_path: Path) -> None:
    engine = Counting()
    evaluate(guard(engine), SAMPLES, tmp_path / "p.jsonl", "fast")
    assert engine.seen == 0


def test_every_prediction_is_a_line_of_the_file(tmp_path: Path) -> None:
    evaluate(guard(), SAMPLES, tmp_path / "p.jsonl", "reason", batch_size=2)
    rows = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines()]
    assert sorted(row["id"] for row in rows) == ["1", "2", "3", "4", "5"]


def test_finished_rows_are_not_judged_again(tmp_path: Path) -> None:
    evaluate(guard(), SAMPLES[:3], tmp_path / "p.jsonl", "reason")
    engine = Counting()
    evaluate(guard(engine), SAMPLES, tmp_path / "p.jsonl", "reason")
    assert engine.seen == 2


def test_resumed_run_gives_what_an_unbroken_one_gives(tmp_path: Path) -> None:
    with pytest.raises(EngineError):
        evaluate(guard(Counting("Mock")), SAMPLES, tmp_path / "p.jsonl", "reason", batch_size=1)
    resumed = evaluate(guard(), SAMPLES, tmp_path / "p.jsonl", "reason")
    unbroken = evaluate(guard(), SAMPLES, tmp_path / "q.jsonl", "reason")
    assert [row.labels for row in resumed] == [row.labels for row in unbroken]


def test_batches_before_a_failure_are_kept(tmp_path: Path) -> None:
    with pytest.raises(EngineError):
        evaluate(guard(Counting("Mock")), SAMPLES, tmp_path / "p.jsonl", "reason", batch_size=1)
    engine = Counting()
    evaluate(guard(engine), SAMPLES, tmp_path / "p.jsonl", "reason")
    assert engine.seen == 2  # the two shortest were left


def test_torn_last_line_is_judged_again(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    evaluate(guard(), SAMPLES, path, "reason", batch_size=1)
    path.write_bytes(path.read_bytes()[:-20])
    engine = Counting()
    evaluate(guard(engine), SAMPLES, path, "reason")
    assert (engine.seen, len(path.read_bytes().splitlines())) == (1, 5)


def test_file_of_another_mode_is_refused(tmp_path: Path) -> None:
    evaluate(guard(), SAMPLES, tmp_path / "p.jsonl", "reason")
    with pytest.raises(InputError, match=r"p\.jsonl: was made with mode 'reason', now it is 'fast'; choose another"):
        evaluate(guard(), SAMPLES, tmp_path / "p.jsonl", "fast")


def test_file_of_another_model_is_refused(tmp_path: Path) -> None:
    evaluate(guard(), SAMPLES, tmp_path / "p.jsonl", "reason")
    with pytest.raises(InputError, match=r"was made with model 'scripted', now it is 'other'"):
        evaluate(guard(Counting(model="other")), SAMPLES, tmp_path / "p.jsonl", "reason")


def test_file_of_other_weights_is_refused(tmp_path: Path) -> None:
    folder = make_tiny_checkpoint(tmp_path / "model", seed=0)
    evaluate(Guard(folder), SAMPLES[:1], tmp_path / "p.jsonl", "fast")
    make_tiny_checkpoint(folder, seed=1)
    with pytest.raises(InputError, match=r"was made with weights '\w{16}', now it is '\w{16}'"):
        evaluate(Guard(folder), SAMPLES[:1], tmp_path / "p.jsonl", "fast")


def test_other_text_under_a_judged_id_is_refused(tmp_path: Path) -> None:
    evaluate(guard(), SAMPLES, tmp_path / "p.jsonl", "reason")
    with pytest.raises(InputError, match=r"own 5 was judged with another text; remove the file"):
        evaluate(guard(), [request("5", "Bye.", "unharmful")], tmp_path / "p.jsonl", "reason")


def test_foreign_line_is_refused_by_its_number(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"id": "1"}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"p\.jsonl, line 1: no prediction: source: Field required"):
        evaluate(guard(), SAMPLES, tmp_path / "p.jsonl", "reason")


def test_unreadable_answer_is_kept_with_its_reason(tmp_path: Path) -> None:
    row = evaluate(guard(Mute("I wonder.")), SAMPLES[:1], tmp_path / "p.jsonl", "reason")[0]
    assert (row.labels, bool(row.problem)) == (None, True)


def test_unreadable_answer_counts_as_wrong() -> None:
    row = Judged(id="1", source="own", digest="", gold=Labels(prompt_harmfulness="unharmful"), labels=None, seconds=1)
    score = cell_of("own", Task.PROMPT_HARMFULNESS, "reason", [row]).score
    assert (score.unreadable, score.fpr) == (1, 1.0)


def test_exchange_that_does_not_fit_is_shortened(tmp_path: Path) -> None:
    long = request("1", "word " * 300 + "fool", "harmful")
    row = evaluate(guard(Counting(context_length=120)), [long], tmp_path / "p.jsonl", "fast")[0]
    assert (row.shortened, row.labels) == (True, Labels(prompt_harmfulness="harmful"))


def test_exchange_that_fits_is_judged_whole(tmp_path: Path) -> None:
    assert not any(row.shortened for row in evaluate(guard(), SAMPLES, tmp_path / "p.jsonl", "fast"))


def test_empty_prompt_is_a_problem_of_its_row_alone(tmp_path: Path) -> None:
    rows = evaluate(guard(), [request("0", " ", "unharmful"), SAMPLES[0]], tmp_path / "p.jsonl", "fast")
    assert [row.problem for row in rows] == ["the prompt is empty", None]


def test_shortened_text_keeps_its_beginning_and_end() -> None:
    assert shorten("aaaaaabbbccc", 6) == "aaaa ... cc"


def test_short_prompt_of_a_long_response_stays_whole() -> None:
    long = Exchange(prompt="Tell me all.", response="word " * 300)
    fitted = fit(guard(Counting(context_length=120)), long, "fast")
    assert (fitted.prompt, (fitted.response or "")[:10]) == ("Tell me all.", "word word ")


def test_larger_limit_adds_to_a_smaller_one() -> None:
    assert {row.id for row in draw(SAMPLES, 2)} < {row.id for row in draw(SAMPLES, 4)}


def test_limit_keeps_the_order() -> None:
    assert [row.id for row in draw(SAMPLES, 3)] == sorted(row.id for row in draw(SAMPLES, 3))


def test_words_without_an_answer_are_kept_whole(tmp_path: Path) -> None:
    (row,) = evaluate(guard(Mute("Looks at the words.")), SAMPLES[:1], tmp_path / "p.jsonl", "reason")
    assert row.problem is not None
    assert (row.text or "").startswith("<|think|>Looks at the words.")


def test_size_of_the_batch_stands_beside_the_seconds(tmp_path: Path) -> None:
    rows = evaluate(guard(), SAMPLES, tmp_path / "p.jsonl", "fast", batch_size=2)
    assert sorted(row.batch_size or 0 for row in rows) == [1, 2, 2, 2, 2]


def test_file_from_before_there_were_batches_is_read(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    evaluate(guard(), SAMPLES[:2], path, "fast")
    old = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for row in old:
        del row["batch_size"]
    path.write_text("".join(json.dumps(row) + "\n" for row in old), encoding="utf-8")
    rows = evaluate(guard(), SAMPLES, path, "fast")
    assert [row.batch_size for row in rows] == [None, None, 3, 3, 3]


# Replicas


def test_replicas_judge_each_row_once_and_in_the_order_of_the_samples(tmp_path: Path) -> None:
    engines = [Counting() for _ in range(3)]
    first, *others = [guard(engine) for engine in engines]
    rows = evaluate(first, SAMPLES, tmp_path / "p.jsonl", "reason", batch_size=1, replicas=others)
    assert [row.id for row in rows] == ["1", "2", "3", "4", "5"]
    assert sum(engine.seen for engine in engines) == 5


def test_batch_of_a_replica_that_fails_goes_to_another(tmp_path: Path) -> None:
    sound = Counting()
    broken = guard(Counting(fails_at="a"))
    rows = evaluate(broken, SAMPLES, tmp_path / "p.jsonl", "reason", batch_size=1, replicas=[guard(sound)])
    assert [row.id for row in rows] == ["1", "2", "3", "4", "5"]
    assert sound.seen >= 4


def test_when_every_replica_fails_what_was_judged_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    broken = [guard(Counting(fails_at="Hi.")) for _ in range(2)]
    with pytest.raises(EngineError, match="the server went away"):
        evaluate(broken[0], SAMPLES, path, "reason", batch_size=1, replicas=broken[1:])
    done = {json.loads(line)["id"] for line in path.read_text(encoding="utf-8").splitlines()}
    assert done == {"1", "2", "3", "4"}
    assert len(evaluate(guard(), SAMPLES, path, "reason")) == 5


def test_replica_with_other_thresholds_is_refused(tmp_path: Path) -> None:
    other = guard(thresholds={Task.PROMPT_HARMFULNESS: 0.3})
    with pytest.raises(InputError, match="a replica has thresholds "):
        evaluate(guard(), SAMPLES, tmp_path / "p.jsonl", "fast", replicas=[other])


def test_labels_that_were_mended_are_taken_without_judging_again(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    evaluate(guard(), SAMPLES, path, "reason")
    mended = [*SAMPLES[:3], request("4", "Mock the new girl.", "unharmful"), SAMPLES[4]]
    engine = Counting()
    rows = evaluate(guard(engine), mended, path, "reason")
    assert (engine.seen, rows[3].gold) == (0, Labels(prompt_harmfulness="unharmful"))
    assert sorted((row.id, row.gold.prompt_harmfulness) for row in read_judged(path)) == [
        ("1", "unharmful"), ("2", "harmful"), ("3", "unharmful"), ("4", "unharmful"), ("5", "unharmful"),
    ]  # fmt: skip


def test_rows_can_be_judged_after_labels_were_mended(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    evaluate(guard(), SAMPLES[:1], path, "reason")
    evaluate(guard(), [request("1", SAMPLES[0].exchange.prompt, "harmful"), *SAMPLES[1:]], path, "reason")
    assert [row.gold.prompt_harmfulness for row in read_judged(path) if row.id == "1"] == ["harmful"]
    assert len(read_judged(path)) == 5


def test_tasks_of_the_guard_stand_in_the_settings(tmp_path: Path) -> None:
    evaluate(guard(), SAMPLES, tmp_path / "p.jsonl", "reason")
    kept = json.loads((tmp_path / "p.settings.json").read_text(encoding="utf-8"))
    assert kept["tasks"] == ["prompt_harmfulness", "response_refusal", "response_harmfulness"]


def test_file_from_before_tasks_were_kept_is_gone_on_with(tmp_path: Path) -> None:
    path, beside = tmp_path / "p.jsonl", tmp_path / "p.settings.json"
    evaluate(guard(), SAMPLES[:3], path, "reason")
    kept = json.loads(beside.read_text(encoding="utf-8"))
    beside.write_text(json.dumps({name: value for name, value in kept.items() if name != "tasks"}), encoding="utf-8")
    engine = Counting()
    evaluate(guard(engine), SAMPLES, path, "reason")
    assert (engine.seen, json.loads(beside.read_text(encoding="utf-8"))) == (2, kept)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [("{", "not readable JSON: Expecting"), ("[]", "expected an object, found list"), ("[" * 100_000, "not readable")],
)
def test_broken_settings_are_one_sentence(tmp_path: Path, content: str, sentence: str) -> None:
    evaluate(guard(), SAMPLES[:1], tmp_path / "p.jsonl", "reason")
    (tmp_path / "p.settings.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=rf"p\.settings\.json: {sentence}"):
        evaluate(guard(), SAMPLES, tmp_path / "p.jsonl", "reason")


def test_row_that_is_kept_twice_is_refused_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    evaluate(guard(), SAMPLES[:2], path, "reason")
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines(keepends=True)[0])
    with pytest.raises(InputError, match=r"p\.jsonl, line 3: a second prediction for own 2"):
        evaluate(guard(), SAMPLES[:2], path, "reason")


def test_output_below_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="cannot make the folder"):
        evaluate(guard(), SAMPLES, tmp_path / "file" / "below" / "p.jsonl", "reason")
