"""The run folder: whole files, one recipe, records that say where they are wrong."""

import json
import shutil
from pathlib import Path

import pytest

from guardreasoner.errors import InputError
from guardreasoner.recipe import Recipe
from guardreasoner.run import RunFolder, read_records, write_records
from guardreasoner.types import Exchange, Labels, Sample

SAMPLE = Sample(id="1", source="own", exchange=Exchange(prompt="Hello"), labels=Labels(prompt_harmfulness="unharmful"))

BALANCED = {"positive_share": {"prompt_harmfulness": 0.5}}


def test_records_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    assert write_records(path, [SAMPLE, SAMPLE]) == 2
    assert list(read_records(path, Sample)) == [SAMPLE, SAMPLE]


def test_writing_nothing_writes_an_empty_file(tmp_path: Path) -> None:
    assert write_records(tmp_path / "none.jsonl", []) == 0
    assert (tmp_path / "none.jsonl").read_text(encoding="utf-8") == ""


def test_interrupted_writing_leaves_no_file(tmp_path: Path) -> None:
    def two_then_stop():
        yield SAMPLE
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_records(tmp_path / "samples.jsonl", two_then_stop())
    assert not (tmp_path / "samples.jsonl").exists()


def test_wrong_record_is_named_by_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_text(SAMPLE.model_dump_json() + '\n{"id": 2}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"samples\.jsonl line 2: not a Sample"):
        list(read_records(path, Sample))


def test_missing_file_says_which_stage_to_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run the stage before this one first"):
        list(read_records(tmp_path / "none.jsonl", Sample))


def test_folder_of_another_recipe_is_refused(tmp_path: Path) -> None:
    RunFolder(tmp_path).open(Recipe(name="one", output=tmp_path))
    write_records(RunFolder(tmp_path).dev, [SAMPLE])
    with pytest.raises(InputError, match="`name` differs"):
        RunFolder(tmp_path).open(Recipe(name="two", output=tmp_path))


def test_recipe_may_change_until_a_stage_has_written_something(tmp_path: Path) -> None:
    RunFolder(tmp_path).open(Recipe(name="one", output=tmp_path))
    RunFolder(tmp_path).open(Recipe(name="two", output=tmp_path))
    assert Recipe.model_validate_json((tmp_path / "recipe.json").read_text(encoding="utf-8")).name == "two"


def test_run_of_an_older_version_goes_on(tmp_path: Path) -> None:
    recipe = Recipe(name="one", output=tmp_path)
    RunFolder(tmp_path).open(recipe)
    (tmp_path / "samples.jsonl").touch()
    path = tmp_path / "recipe.json"
    older = json.loads(path.read_text())
    del older["synthesize"]["keep"]  # a key that was not there yet
    path.write_text(json.dumps(older))
    RunFolder(tmp_path).open(recipe)
    older["synthesize"]["gone"] = True
    path.write_text(json.dumps(older))
    with pytest.raises(InputError, match=r"`synthesize\.gone` differs"):
        RunFolder(tmp_path).open(recipe)


def test_copy_of_a_run_goes_on_where_it_lies(tmp_path: Path) -> None:
    RunFolder(tmp_path / "one").open(Recipe(name="one", output=tmp_path / "one"))
    (tmp_path / "one" / "samples.jsonl").touch()
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    RunFolder(tmp_path / "other").open(Recipe(name="one", output=tmp_path / "other"))


def test_evaluation_may_change_in_a_run(tmp_path: Path) -> None:
    recipe = Recipe(name="one", output=tmp_path)
    RunFolder(tmp_path).open(recipe)
    changed = recipe.model_copy(update={"evaluate": recipe.evaluate.model_copy(update={"limit": 5})})
    RunFolder(tmp_path).open(changed)


@pytest.mark.parametrize(
    ("made", "refused"),
    [
        ("dev.jsonl", None),  # nothing was mined yet
        ("rollouts", "mine.temperature"),
        ("pairs.jsonl", "mine.gamma"),
        ("dpo", "mine.gamma"),
    ],
)
def test_mining_may_change_until_something_is_made_by_it(tmp_path: Path, made: str, refused: str | None) -> None:
    def recipe(**mine: object) -> Recipe:
        return Recipe.model_validate({"name": "one", "output": tmp_path, "mine": mine})

    RunFolder(tmp_path).open(recipe())
    (tmp_path / made).mkdir()
    if refused is None:
        RunFolder(tmp_path).open(recipe(gamma=0.1, temperature=0.7))
        return
    with pytest.raises(InputError, match=f"`{refused}` differs"):
        RunFolder(tmp_path).open(recipe(gamma=0.1, temperature=0.7))


@pytest.mark.parametrize("made", ["sft", "ensemble", "rollouts", "quantize"])
def test_r_sft_may_change_until_something_is_made_by_it(tmp_path: Path, made: str) -> None:
    def recipe(epochs: float) -> Recipe:
        return Recipe.model_validate({"name": "one", "output": tmp_path, "sft": {"epochs": epochs}})

    RunFolder(tmp_path).open(recipe(1))
    (tmp_path / "reasoning.jsonl").touch()
    RunFolder(tmp_path).open(recipe(2))
    (tmp_path / made).mkdir()
    with pytest.raises(InputError, match=r"`sft\.epochs` differs"):
        RunFolder(tmp_path).open(recipe(3))


@pytest.mark.parametrize("made", ["dpo", "quantize", "evaluate"])
def test_hs_dpo_may_change_until_a_guard_was_made_by_it(tmp_path: Path, made: str) -> None:
    def recipe(beta: float) -> Recipe:
        return Recipe.model_validate({"name": "one", "output": tmp_path, "dpo": {"beta": beta}})

    RunFolder(tmp_path).open(recipe(0.01))
    (tmp_path / "pairs.jsonl").touch()
    RunFolder(tmp_path).open(recipe(0.1))
    (tmp_path / made).mkdir()
    with pytest.raises(InputError, match=r"`dpo\.beta` differs"):
        RunFolder(tmp_path).open(recipe(0.2))


@pytest.mark.parametrize("made", ["soup", "quantize", "evaluate"])
def test_a_soup_may_be_added_until_something_is_made_of_it(tmp_path: Path, made: str) -> None:
    def recipe(*seeds: int) -> Recipe:
        soup = {"soup": {"guards": [{"seed": seed} for seed in seeds]}} if seeds else {}
        return Recipe.model_validate({"name": "one", "output": tmp_path, **soup})

    RunFolder(tmp_path).open(recipe())
    (tmp_path / "dpo").mkdir()
    RunFolder(tmp_path).open(recipe(1))
    RunFolder(tmp_path).open(recipe(1, 2))
    (tmp_path / made).mkdir()
    with pytest.raises(InputError, match=r"`soup\.guards` differs"):
        RunFolder(tmp_path).open(recipe(1))
    with pytest.raises(InputError, match="`soup` differs"):
        RunFolder(tmp_path).open(recipe())


def test_shares_of_a_soup_may_change_until_it_is_averaged(tmp_path: Path) -> None:
    def recipe(*shares: float) -> Recipe:
        return Recipe.model_validate({"name": "one", "output": tmp_path, "soup": {"shares": shares or None}})

    RunFolder(tmp_path).open(recipe())
    (tmp_path / "soup" / "guard-0").mkdir(parents=True)
    RunFolder(tmp_path).open(recipe(3, 1))
    (tmp_path / "soup" / "model").mkdir()
    with pytest.raises(InputError, match=r"`soup\.shares` differs"):
        RunFolder(tmp_path).open(recipe(1, 1))


def test_pairs_are_not_made_anew_while_a_guard_of_the_old_ones_is_there(tmp_path: Path) -> None:
    RunFolder(tmp_path).open(Recipe.model_validate({"name": "one", "output": tmp_path, "mine": {}}))
    (tmp_path / "quantize").mkdir()
    with pytest.raises(InputError, match=r"`mine\.gamma` differs"):
        RunFolder(tmp_path).open(Recipe.model_validate({"name": "one", "output": tmp_path, "mine": {"gamma": 0.0}}))


def test_pairs_may_be_made_anew_of_the_same_answers(tmp_path: Path) -> None:
    RunFolder(tmp_path).open(Recipe.model_validate({"name": "one", "output": tmp_path, "mine": {}}))
    (tmp_path / "rollouts").mkdir()
    for other in ({"gamma": 0.0, "pair": "random", "decides": "all", "merge": "paper"}, BALANCED):
        RunFolder(tmp_path).open(Recipe.model_validate({"name": "one", "output": tmp_path, "mine": other}))


def test_shares_of_labels_may_not_change_while_their_pairs_are_there(tmp_path: Path) -> None:
    RunFolder(tmp_path).open(Recipe.model_validate({"name": "one", "output": tmp_path, "mine": {}}))
    (tmp_path / "pairs.jsonl").touch()
    with pytest.raises(InputError, match=r"`mine\.positive_share\.prompt_harmfulness` differs"):
        RunFolder(tmp_path).open(Recipe.model_validate({"name": "one", "output": tmp_path, "mine": BALANCED}))


def test_run_folder_keeps_recipe_and_versions(tmp_path: Path) -> None:
    RunFolder(tmp_path / "run").open(Recipe(name="one", output=tmp_path / "run"))
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"recipe.json", "versions.json"}
