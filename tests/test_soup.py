"""A guard averaged with guards that are trained anew."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError
from tiny import make_tiny_checkpoint

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from guardreasoner.errors import InputError  # noqa: E402
from guardreasoner.recipe import Recipe, SFTSection, SoupGuard  # noqa: E402
from guardreasoner.run import RunFolder  # noqa: E402
from guardreasoner.stages import soup  # noqa: E402
from guardreasoner.training.averaging import average  # noqa: E402

NAME = "model.safetensors"


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("two")
    return make_tiny_checkpoint(place / "first", seed=0), make_tiny_checkpoint(place / "second", seed=1)


def test_mean_of_weights_by_their_shares(two: tuple[Path, Path], tmp_path: Path) -> None:
    average({two[0]: 1.0, two[1]: 3.0}, tmp_path / "mean")
    first, second, mean = (load_file(folder / NAME) for folder in (*two, tmp_path / "mean"))
    assert mean.keys() == first.keys()
    for name, values in mean.items():
        assert torch.allclose(values, first[name] / 4 + second[name] * 3 / 4, atol=1e-6)


def test_mean_is_summed_up_in_float32_and_kept_in_the_type_of_the_first(tmp_path: Path) -> None:
    values = {"first": [1.0, 256.0], "second": [1.0078125, 258.0]}  # neighbours in bfloat16
    for name, numbers in values.items():
        (tmp_path / name).mkdir()
        save_file({"x": torch.tensor(numbers, dtype=torch.bfloat16)}, tmp_path / name / NAME)
    average({tmp_path / "first": 0.25, tmp_path / "second": 0.75}, tmp_path / "mean")
    mean = load_file(tmp_path / "mean" / NAME)["x"]
    assert (mean.dtype, mean.tolist()) == (torch.bfloat16, values["second"])


def test_every_file_of_sharded_weights_is_averaged(tmp_path: Path) -> None:
    for name, value in (("first", 0.0), ("second", 1.0)):
        (tmp_path / name).mkdir()
        for shard in "ab":
            save_file({shard: torch.full((2,), value)}, tmp_path / name / f"model-{shard}.safetensors")
    average({tmp_path / "first": 0.5, tmp_path / "second": 0.5}, tmp_path / "mean")
    for shard in "ab":
        assert load_file(tmp_path / "mean" / f"model-{shard}.safetensors")[shard].tolist() == [0.5, 0.5]


def test_mean_is_a_checkpoint_that_transformers_opens(two: tuple[Path, Path], tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    average(dict.fromkeys(two, 0.5), tmp_path / "mean")
    names = [sorted(path.name for path in folder.iterdir()) for folder in (tmp_path / "mean", two[0])]
    assert names[0] == names[1]
    assert transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "mean").num_parameters() > 0


def test_weights_of_two_shapes_have_no_mean(two: tuple[Path, Path], tmp_path: Path) -> None:
    other = make_tiny_checkpoint(tmp_path / "other", kv_heads=4)
    with pytest.raises(InputError, match=r"other/model\.safetensors: found weights of another shape than in .*first/"):
        average({two[0]: 0.5, other: 0.5}, tmp_path / "mean")
    assert not (tmp_path / "mean").exists()


def test_torn_weights_are_named(two: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(two[1], tmp_path / "torn")
    (tmp_path / "torn" / NAME).write_bytes((two[1] / NAME).read_bytes()[:-100])
    with pytest.raises(InputError, match=r"torn/model\.safetensors: its weights cannot be read: "):
        average({two[0]: 0.5, tmp_path / "torn": 0.5}, tmp_path / "mean")


def test_checkpoints_whose_files_differ_have_no_mean(two: tuple[Path, Path], tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "model-1.safetensors")
    with pytest.raises(InputError, match=r"found the weights \['model-1.*'\], expected \['model\.safetensors'\]"):
        average({two[0]: 0.5, tmp_path: 0.5}, tmp_path / "mean")


def test_folder_without_weights_has_no_mean(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"found the weights \[\], expected \*\.safetensors"):
        average({tmp_path: 1.0}, tmp_path / "mean")


@pytest.mark.parametrize("after", ["sft", "dpo"])
@pytest.mark.parametrize("shares", [None, [0.5, 0.3, 0.2]])
def test_last_guard_is_averaged_with_those_that_are_trained_already(
    after: str, shares: list[float] | None, two: tuple[Path, Path], tmp_path: Path
) -> None:
    third = make_tiny_checkpoint(tmp_path / "third", seed=2)
    section = {"guards": [{"seed": 5}, {"seed": 3}], "shares": shares}
    recipe = Recipe.model_validate({"name": "tiny", "output": tmp_path, "soup": section, after: {}})
    folder = RunFolder(tmp_path)
    shutil.copytree(two[0], tmp_path / after / "model")
    shutil.copytree(two[1], folder.soup / "guard-0" / "model")
    shutil.copytree(third, folder.soup / "guard-1" / "model")
    (folder.soup / "model.partial").mkdir()  # a run that was killed while it wrote
    soup.run(recipe, folder)
    average(dict(zip((*two, third), shares or [1.0] * 3, strict=True)), tmp_path / "mean")
    assert (folder.trained(recipe) / NAME).read_bytes() == (tmp_path / "mean" / NAME).read_bytes()
    assert sorted(path.name for path in folder.soup.iterdir()) == ["guard-0", "guard-1", "model"]


def test_guard_that_is_not_there_is_missed_before_anything_is_taught(tmp_path: Path) -> None:
    recipe = Recipe.model_validate({"name": "tiny", "output": tmp_path, "soup": {}, "dpo": {}})
    with pytest.raises(InputError, match=r"dpo/model: not there; the stage `dpo` makes it$"):
        soup.run(recipe, RunFolder(tmp_path))


def test_further_guards_are_taught_as_r_sft_says_but_for_what_they_say() -> None:
    section = SFTSection(learning_rate=0.5, epochs=3, cutoff=100)
    assert SoupGuard(seed=4).taught(section) == SFTSection(learning_rate=0.5, epochs=3, cutoff=100, seed=4)
    alone = SoupGuard(cutoff=200, epochs=1, reasoning="drop").taught(section)
    assert alone == SFTSection(learning_rate=0.5, epochs=1, cutoff=200, reasoning="drop")


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"guards": [{"seed": 1}]}, r"`soup\.guards\.0` is taught as one before it or as `sft` says, expected another"),
        ({"guards": [{"seed": 2}, {"seed": 2}]}, r"`soup\.guards\.1` is taught as one before it or as `sft` says"),
        ({"guards": [{"seed": 2}], "shares": [1.0]}, r"`shares` has 1 numbers, expected 2"),
        ({"guards": [{"seed": 2}], "shares": [1.0, 0.0]}, "greater than 0"),
        ({"guards": [{"seed": 2}], "shares": [1.0, float("inf")]}, "finite number"),
    ],
)
def test_soup_of_guards_that_are_the_same_or_of_no_such_shares_is_refused(
    section: dict[str, object], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        Recipe.model_validate({"name": "tiny", "output": "here", "sft": {"seed": 1}, "soup": section})


def test_soup_of_no_further_guard_is_the_guard(two: tuple[Path, Path], tmp_path: Path) -> None:
    recipe = Recipe.model_validate({"name": "tiny", "output": tmp_path, "soup": {"guards": []}})
    shutil.copytree(two[0], tmp_path / "sft" / "model")
    soup.run(recipe, RunFolder(tmp_path))
    found, kept = (load_file(folder / NAME) for folder in (tmp_path / "soup" / "model", two[0]))
    assert all(torch.equal(found[name], kept[name]) for name in kept)


def test_recipe_without_the_section_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soup.run(Recipe(name="tiny", output=tmp_path), RunFolder(tmp_path))
    assert capsys.readouterr().err == "  the recipe has no section `soup`: nothing to do\n"
