"""The stage `dpo`: from pairs and an R-SFT model to a guard, and what it says where it cannot."""

import json
import shutil
from pathlib import Path

import pytest
from tiny import make_tiny_checkpoint

torch = pytest.importorskip("torch")

from guardreasoner.errors import InputError  # noqa: E402
from guardreasoner.recipe import DPOSection, Recipe  # noqa: E402
from guardreasoner.run import RunFolder, write_records  # noqa: E402
from guardreasoner.stages import dpo  # noqa: E402
from guardreasoner.training.bases import open_model, open_tokens  # noqa: E402
from guardreasoner.training.pairs import PairRow, pair_row  # noqa: E402
from guardreasoner.training.reference import Referred, log_probs, model_digest, with_reference  # noqa: E402
from guardreasoner.types import PreferencePair  # noqa: E402

SECTION = DPOSection(learning_rate=1e-3, epochs=4, beta=0.1, bf16=False, threads=1, batch_tokens=200, save_steps=5)
CPU = torch.device("cpu")
RIGHT, WRONG = "<|answers|><|request|><|unharmful|><|end|>", "<|answers|><|request|><|harmful|><|end|>"


def pair(number: int, **changed: object) -> PreferencePair:
    words = ["bread", "rye flour", "a small cat", "water and yeast", "rain"][number % 5]
    values: dict[str, object] = {
        "id": f"mild-{number}",
        "source": "mild",
        "model": "main",
        "prompt": f"<|user|>Please tell me about {words}, number {number}.<|request|><|think|>",
        "chosen": f"It asks about {words}.{RIGHT}",
        "rejected": f"Step 1.{WRONG}",
        "right": 3,
        "wrong": 1,
        "weight": 0.9,
    }
    return PreferencePair.model_validate(values | changed)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run after its mining."""
    run = RunFolder(tmp_path)
    make_tiny_checkpoint(run.sft / "model")
    write_records(run.pairs, [pair(number) for number in range(10)])
    return run


def recipe(folder: RunFolder, **section: object) -> Recipe:
    return Recipe(name="tiny", output=folder.root, dpo=SECTION.model_copy(update=section))


def rows(folder: RunFolder) -> list[PairRow]:
    tokens = open_tokens(str(folder.sft / "model"))
    return [
        pair_row(tokens.prompt(each.prompt), tokens.continuation(each.chosen), tokens.continuation(each.rejected), 1.0)
        for each in map(pair, range(10))
    ]


def references(referred: Referred) -> list[float]:
    return [value for row in referred.rows if row.reference for value in row.reference]


def test_guard_prefers_right_answers_more_after_training(folder: RunFolder) -> None:
    dpo.run(recipe(folder), folder)
    before, after = (
        torch.tensor(log_probs(open_model(str(place / "model")), rows(folder), False, torch.device("cpu")))
        for place in (folder.sft, folder.dpo)
    )
    gained = (after - before)[:, 0] - (after - before)[:, 1]
    assert gained.min() > 0
    lines = [json.loads(line) for line in (folder.dpo / "metrics.jsonl").read_text().splitlines()]
    assert lines[0]["margin"] == pytest.approx(0, abs=1e-4)  # the first step is taken from the reference itself
    assert lines[0]["preference_loss"] == pytest.approx(0.9 * 0.6931472, abs=1e-4)
    assert (lines[-1]["preference_accuracy"], lines[-1]["margin"] > 0) == (1.0, True)


def test_figures_count_what_is_left_out_by_source(folder: RunFolder) -> None:
    long = pair(10, source="long", chosen="cat " * 300)
    write_records(folder.pairs, [*map(pair, range(10)), long, pair(11, source="other", rejected="cat " * 300)])
    dpo.run(recipe(folder, cutoff=100, epochs=0.2), folder)
    figures = json.loads((folder.root / "dpo.json").read_text())
    assert figures["pairs"] == 10
    assert figures["left out, longer than 100 tokens"] == {"long": 1, "other": 1}
    assert figures["chosen tokens"] == sum(row.chosen for row in rows(folder))


def test_answer_without_an_end_is_given_one(folder: RunFolder) -> None:
    whole, open_ended = folder.root / "whole", folder.root / "open"
    for place, end in ((whole, "<|end|>"), (open_ended, "")):
        run = RunFolder(place)
        shutil.copytree(folder.sft, run.sft)
        write_records(run.pairs, [pair(0, chosen="Bread." + end, rejected="Rain." + end)])
        dpo.run(recipe(run, epochs=1), run)
    assert (whole / "dpo.json").read_text() == (open_ended / "dpo.json").read_text()
    references = [(place / "dpo" / "reference-0.jsonl").read_text() for place in (whole, open_ended)]
    assert references[0] == references[1]


def test_recipe_without_the_section_says_so(folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    dpo.run(Recipe(name="tiny", output=folder.root), folder)
    assert "no section `dpo`: nothing to do" in capsys.readouterr().err
    assert not folder.dpo.exists()


def test_no_pairs_is_one_sentence(folder: RunFolder) -> None:
    write_records(folder.pairs, [])
    with pytest.raises(InputError, match=r"pairs\.jsonl: found none, expected a pair of at most"):
        dpo.run(recipe(folder), folder)


def test_pairs_that_are_all_too_long_are_one_sentence(folder: RunFolder) -> None:
    write_records(folder.pairs, [pair(number, chosen="cat " * 300) for number in range(10)])
    with pytest.raises(InputError, match=r"found 10 longer ones, expected .* `dpo.cutoff` = 100 tokens"):
        dpo.run(recipe(folder, cutoff=100), folder)


def test_missing_model_is_one_sentence(folder: RunFolder) -> None:
    shutil.rmtree(folder.sft)
    with pytest.raises(InputError, match="not there; the stage `sft` makes it"):
        dpo.run(recipe(folder), folder)


def test_reference_is_computed_once(folder: RunFolder) -> None:
    model, digest = open_model(str(folder.sft / "model")), model_digest(folder.sft / "model")
    first = with_reference(model, rows(folder), folder.dpo, digest, SECTION)
    assert first.computed == 10
    again = with_reference(model, rows(folder), folder.dpo, digest, SECTION)
    assert again.computed == 0
    assert again.rows == first.rows
    direct = log_probs(model, rows(folder), False, CPU)
    assert references(again) == pytest.approx([value for each in direct for value in each], rel=1e-5)


def test_reference_that_was_stopped_goes_on_after_a_torn_line(folder: RunFolder) -> None:
    model, digest = open_model(str(folder.sft / "model")), model_digest(folder.sft / "model")
    first = with_reference(model, rows(folder), folder.dpo, digest, SECTION)
    journal = folder.dpo / "reference-0.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:6]) + lines[6][:20])
    again = with_reference(model, rows(folder), folder.dpo, digest, SECTION)
    assert again.computed == 4
    assert references(again) == pytest.approx(references(first), rel=1e-5)


def test_other_model_and_other_pair_are_computed_anew(folder: RunFolder) -> None:
    model = open_model(str(folder.sft / "model"))
    with_reference(model, rows(folder), folder.dpo, "one", SECTION)
    assert with_reference(model, rows(folder), folder.dpo, "other", SECTION).computed == 10
    more = [*rows(folder), pair_row([5, 6], [7], [8], 1.0)]
    assert with_reference(model, more, folder.dpo, "one", SECTION).computed == 1


def test_digest_of_a_model_changes_with_its_weights(folder: RunFolder) -> None:
    before = model_digest(folder.sft / "model")
    make_tiny_checkpoint(folder.sft / "model", seed=1)
    assert model_digest(folder.sft / "model") != before


def test_training_does_not_go_on_with_other_pairs(folder: RunFolder) -> None:
    dpo.run(recipe(folder), folder)
    shutil.rmtree(folder.dpo / "model")  # as if it had been stopped before the end
    write_records(folder.pairs, [pair(number) for number in range(9)])
    with pytest.raises(InputError, match=r"another pairs\.jsonl, expected the same; remove the folder"):
        dpo.run(recipe(folder), folder)


def test_journal_with_a_foreign_line_is_named_by_line(folder: RunFolder) -> None:
    folder.dpo.mkdir()
    (folder.dpo / "reference-0.jsonl").write_text('{"digest": "a", "chosen": "much", "rejected": -1}\n')
    with pytest.raises(InputError, match=r"reference-0\.jsonl line 1: not a reference"):
        dpo.run(recipe(folder), folder)
