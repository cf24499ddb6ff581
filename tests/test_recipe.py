"""Recipes: every shipped one loads, and a wrong one says place, found and expected."""

from pathlib import Path

import pytest

from guardreasoner.errors import InputError
from guardreasoner.recipe import Recipe, load_recipe

RECIPES = Path(__file__).parents[1] / "recipes"


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.name)
def test_shipped_recipe_loads_and_is_named_for_its_file(path: Path) -> None:
    assert load_recipe(path).name == path.stem


def test_override_changes_one_value() -> None:
    recipe = load_recipe(RECIPES / "smoke.toml", ["sft.epochs=2", "output=elsewhere"])
    assert (recipe.sft.epochs, recipe.output) == (2.0, Path("elsewhere"))


def test_unknown_key_is_named_with_its_section() -> None:
    with pytest.raises(InputError, match=r"smoke.toml: `sft.epoch`: Extra inputs are not permitted"):
        load_recipe(RECIPES / "smoke.toml", ["sft.epoch=2"])


def test_value_out_of_range_is_said_with_what_was_found() -> None:
    with pytest.raises(InputError, match=r"`sft.learning_rate`: found -1: Input should be greater than 0"):
        load_recipe(RECIPES / "smoke.toml", ["sft.learning_rate=-1"])


def test_override_without_equals_sign_is_refused() -> None:
    with pytest.raises(InputError, match=r"--set sft.epochs: expected section.key=value"):
        load_recipe(RECIPES / "smoke.toml", ["sft.epochs"])


def test_override_below_a_value_is_refused() -> None:
    with pytest.raises(InputError, match="`name` is a value, not a section"):
        load_recipe(RECIPES / "smoke.toml", ["name.first=x"])


def test_missing_recipe_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such recipe file"):
        load_recipe(tmp_path / "none.toml")


def test_broken_toml_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("name = ", encoding="utf-8")
    with pytest.raises(InputError, match="not readable as TOML"):
        load_recipe(path)


def test_recipe_needs_a_name() -> None:
    assert Recipe.model_fields["name"].is_required()


def test_share_of_a_task_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('name = "r"\noutput = "r"\n[synthesize]\npositive_share = { request = 0.5 }\n')
    with pytest.raises(InputError, match=r"r\.toml: `synthesize\.positive_share\.request"):
        load_recipe(tmp_path / "r.toml")


def test_base_and_encoder_together_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "two.toml"
    path.write_text('name = "two"\noutput = "out"\n[model]\nbase = "org/a"\nencoder = "org/b"\n')
    with pytest.raises(InputError, match=r"^two\.toml: `model`: `base` and `encoder` together, expected one of them$"):
        load_recipe(path)


def test_rule_of_the_whole_recipe_names_the_file_and_quotes_no_recipe(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('name = "r"\noutput = "r"\n[sft]\nseed = 7\n[[soup.guards]]\nseed = 7\n')
    said = r"^r\.toml: `soup\.guards\.0` is taught .*, expected another seed or way; .* leaves the soup out$"
    with pytest.raises(InputError, match=said):
        load_recipe(tmp_path / "r.toml")


def test_shares_of_pairs_need_one_task_that_decides(tmp_path: Path) -> None:
    mined = '[mine]\ndecides = "all"\npositive_share = { response_harmfulness = 0.5 }\n'
    (tmp_path / "r.toml").write_text('name = "r"\noutput = "r"\n' + mined)
    with pytest.raises(InputError, match=r"r\.toml: `mine`: .*expected `decides` = 'in order'"):
        load_recipe(tmp_path / "r.toml")
