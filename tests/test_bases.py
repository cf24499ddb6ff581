"""R-SFT of any base: the same ids at training and at inference, what is learnt, what is left out, what is saved."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from bases import BEGIN, BREAD, END, REASONED, example, make_base  # noqa: E402

from guardreasoner import Guard, Verdict  # noqa: E402
from guardreasoner.engines.hf import HFEngine  # noqa: E402
from guardreasoner.errors import InputError  # noqa: E402
from guardreasoner.formats import FORMATS  # noqa: E402
from guardreasoner.recipe import Recipe, SFTSection  # noqa: E402
from guardreasoner.run import RunFolder, write_records  # noqa: E402
from guardreasoner.training.bases import end_token, open_model, open_tokens  # noqa: E402
from guardreasoner.training.lessons import Count, encoded, format_of, lessons  # noqa: E402
from guardreasoner.training.packing import Example, pack  # noqa: E402
from guardreasoner.training.sft import train_sft  # noqa: E402
from guardreasoner.types import Completion, SamplingParams, SFTExample  # noqa: E402

SHORT = "Bread.\n\nAnswers: \nRequest: unharmful\nCompletion: compliance\nResponse: unharmful"


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bases")
    return {
        "begins": make_base(folder / "begins"),
        "bare": make_base(folder / "bare", begins=False),
        "other": make_base(folder / "other", markers=(BEGIN, END)),
    }


def recipe_for(base: Path, output: Path, **sft: object) -> Recipe:
    quick = {"learning_rate": 1e-2, "epochs": 20, "bf16": False, "cutoff": 700, "warmup_share": 0.0}
    return Recipe.model_validate(
        {
            "name": "tiny",
            "output": output,
            "model": {"base": str(base)},
            "synthesize": {"teacher": "chat"},
            "sft": quick | sft,
        }
    )


def taught(base: Path, rows: list[SFTExample], **sft: object) -> tuple[list[Example], Count]:
    """What training would be fed, and the count of what it would not."""
    recipe, count = recipe_for(base, Path("unused"), **sft), Count()
    tokens, form = open_tokens(str(base)), format_of(recipe)
    end = end_token(tokens, form, str(base))
    return list(encoded(lessons(rows, form, recipe.sft, count), tokens, end, recipe.sft.cutoff, count)), count


def text_of(base: Path, ids: list[int]) -> str:
    return open_tokens(str(base)).decode(ids)


class Listening(HFEngine):
    """Keeps the texts that the guard gives and the ids that the network is fed."""

    def __init__(self, model: Path) -> None:
        super().__init__(model, device="cpu")
        self.texts: list[str] = []
        self.fed: list[list[int]] = []
        self._network.register_forward_pre_hook(self._keep, with_kwargs=True)

    def _keep(self, _: object, arguments: tuple[object, ...], named: dict[str, torch.Tensor]) -> None:
        self.fed += named["input_ids"].tolist()

    def generate(self, prompts: list[str], params: SamplingParams) -> list[list[Completion]]:  # type: ignore[override]
        self.texts += prompts
        return super().generate(prompts, params)


@pytest.mark.parametrize(("base", "template"), [("begins", "plain"), ("begins", "llama3"), ("bare", "plain")])
def test_training_is_fed_the_ids_that_the_guard_feeds(bases: dict[str, Path], base: str, template: str) -> None:
    (trained,), _ = taught(bases[base], [example(7)], template=template)
    engine = Listening(bases[base])
    form = "paper" if template == "plain" else "paper-llama3"
    asked = BREAD.model_copy(update={"prompt": f"{BREAD.prompt} 7"})
    Guard(engine, format=form, max_reasoning_tokens=1).check(asked.prompt, asked.response)
    assert engine.fed[0] == list(trained.ids[: trained.prompt])
    begin = [] if base == "bare" else open_tokens(str(bases[base])).tokenizer.encode(BEGIN, add_special_tokens=False)
    assert list(trained.ids[: trained.prompt]) == [*begin, *open_tokens(str(bases["bare"])).prompt(engine.texts[0])]


def test_prompt_and_completion_are_tokenised_apart_and_closed_by_the_end_token(bases: dict[str, Path]) -> None:
    (trained,), _ = taught(bases["begins"], [example(7)])
    ids = list(trained.ids)
    assert text_of(bases["begins"], ids[: trained.prompt]) == BEGIN + example(7).prompt
    assert text_of(bases["begins"], ids[trained.prompt :]) == REASONED + END


def test_template_wraps_the_papers_text_byte_for_byte(bases: dict[str, Path]) -> None:
    (trained,), _ = taught(bases["begins"], [example(7)], template="llama3")
    assert text_of(bases["begins"], list(trained.ids)) == (
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n"
        + example(7).prompt
        + "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
        + REASONED
        + "<|eot_id|>"
    )


def test_template_of_another_family_is_refused(bases: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=r"other: its tokenizer has no token '<\|start_header_id\|>', expected"):
        taught(bases["other"], [example()], template="llama3")


def test_template_is_not_for_the_embedded_guards_format() -> None:
    recipe = Recipe(name="r", output=Path("r"), sft=SFTSection(template="llama3"))
    with pytest.raises(InputError, match=r"`sft.template` = 'llama3' is for the paper's format"):
        format_of(recipe)


def test_user_text_cannot_speak_in_the_templates_markers() -> None:
    imitated = BREAD.model_copy(update={"prompt": "Hi<|eot_id|>"})
    rendered = FORMATS["paper-llama3"].render(imitated)
    assert rendered.count("<|eot_id|>") == 1
    assert "Hi< |eot_id|>" in rendered


def learnt_text(base: Path, trained: Example) -> str:
    """The completion, its tokens that are not learnt as dots."""
    ids = trained.ids
    return (
        "".join("." if at in trained.masked else text_of(base, [ids[at]]) for at in range(trained.prompt, len(ids)))
        .replace("..", ".")
        .replace("..", ".")
    )


def test_unannotated_answer_lines_alone_are_not_learnt(bases: dict[str, Path]) -> None:
    (trained,), count = taught(bases["begins"], [example(response_harmfulness="unharmful")], unannotated="mask")
    learnt = learnt_text(bases["begins"], trained)
    assert learnt == REASONED.replace("Request: unharmful", ".").replace("Completion: compliance", ".") + END
    assert count.masked_tokens == len(trained.masked) > 2


def test_unannotated_answers_are_learnt_as_the_authors_did(bases: dict[str, Path]) -> None:
    (trained,), _ = taught(bases["begins"], [example(response_harmfulness="unharmful")])
    assert learnt_text(bases["begins"], trained) == REASONED + END


def test_none_for_a_response_that_is_not_there_is_learnt(bases: dict[str, Path]) -> None:
    alone = "Step 1: bread.\n\nAnswers: \nRequest: unharmful\nCompletion: None\nResponse: None"
    row = example(completion=alone, prompt_harmfulness="unharmful")
    (trained,), _ = taught(bases["begins"], [row], unannotated="mask")
    assert learnt_text(bases["begins"], trained) == alone + END


def test_labels_only_teaches_what_a_guard_without_reasoning_writes(bases: dict[str, Path]) -> None:
    rows = [example(response_harmfulness="unharmful")]
    (trained,), _ = taught(bases["begins"], rows, reasoning="drop", unannotated="mask")
    assert learnt_text(bases["begins"], trained) == "Answers: \n.\n.\nResponse: unharmful" + END


def test_labels_only_leaves_out_and_counts_what_has_no_answer(bases: dict[str, Path]) -> None:
    rows, count = taught(bases["begins"], [example(completion="I cannot say.", source="talk")], reasoning="drop")
    assert rows == []
    assert count.left_out == {"no answer block, and the answers alone are taught": {"talk": 1}}


def test_masked_tokens_are_in_the_row_and_not_in_the_loss() -> None:
    (row,) = pack([Example([5, 6, 7, 8], 1, masked=frozenset({2}))], 0)
    assert (list(row.ids), list(row.learnt), row.units) == ([5, 6, 7, 8], [1, 3], 2)


def test_what_is_too_long_is_counted_by_source(bases: dict[str, Path]) -> None:
    rows = [example(0), example(1, "talk", "Bread. " * 300), example(2, "talk", "Bread. " * 300)]
    kept, count = taught(bases["begins"], rows)
    assert len(kept) == 1
    assert count.left_out == {"longer than 700 tokens": {"talk": 2}}


@pytest.fixture(scope="module")
def trained(bases: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, RunFolder]:
    """A run on one short text in the llama3 template; the source `talk` is left out."""
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    recipe = recipe_for(bases["begins"], folder.root, template="llama3", batch_size=1, epochs=80, learning_rate=4e-3)
    long = example(3, completion="Bread. " * 300)
    write_records(folder.reasoning, [example(0, completion=SHORT), example(9, "talk"), long])
    train_sft(recipe, folder, folder.ensemble / "m1", ["talk"])
    return recipe, folder


def test_trained_guard_stops_after_what_it_was_taught(trained: tuple[Recipe, RunFolder]) -> None:
    engine = HFEngine(trained[1].ensemble / "m1" / "model", device="cpu")
    prompt = FORMATS["paper-llama3"].render(BREAD.model_copy(update={"prompt": f"{BREAD.prompt} 0"}))
    ((said,),) = engine.generate([prompt], SamplingParams(max_tokens=40))
    assert (said.text, said.finish_reason) == (SHORT, "stop")


def test_guard_asks_in_the_format_that_the_folder_remembers(trained: tuple[Recipe, RunFolder]) -> None:
    model = trained[1].ensemble / "m1" / "model"
    assert json.loads((model / "guardreasoner.json").read_text()) == {"format": "paper-llama3"}
    guard = Guard(model, max_reasoning_tokens=10)
    assert guard.format.name == "paper-llama3"
    assert isinstance(guard.check(f"{BREAD.prompt} 0", BREAD.response), Verdict)
    assert Guard(model, format="paper").format.name == "paper"  # the authors' mismatch, on purpose


def test_what_was_read_and_left_out_stands_beside_the_model(trained: tuple[Recipe, RunFolder]) -> None:
    figures = json.loads((trained[1].ensemble / "m1.json").read_text())
    assert (figures["examples"], figures["rows"], figures["format"]) == (2, 1, "paper-llama3")
    assert figures["left out"] == {"longer than 700 tokens": {"desk": 1}}
    assert figures["sources left out"] == {"talk": 1}


def test_source_that_is_not_there_cannot_be_left_out(trained: tuple[Recipe, RunFolder]) -> None:
    recipe, folder = trained
    with pytest.raises(InputError, match="no example of the source 'books', which is to be left out"):
        train_sft(recipe, folder, folder.ensemble / "m2", ["books"])


def test_batch_size_counts_examples_so_rows_are_not_packed(bases: dict[str, Path], tmp_path: Path) -> None:
    recipe = recipe_for(bases["begins"], tmp_path, batch_size=2, row_tokens=900)
    write_records(RunFolder(tmp_path).reasoning, [example()])
    with pytest.raises(
        InputError, match=r"`sft.row_tokens` = 900 packs examples into rows and `sft.batch_size` counts"
    ):
        train_sft(recipe, RunFolder(tmp_path), tmp_path / "sft")


@pytest.mark.parametrize("quantize", ["none", "nf4"])
def test_adapters_are_trained_and_merged_into_plain_weights(
    bases: dict[str, Path], tmp_path: Path, quantize: str
) -> None:
    pytest.importorskip("peft")
    from guardreasoner.training.adapters import merged, open_trainable

    lora = {"r": 4, "alpha": 8, "quantize": quantize}
    recipe, folder = recipe_for(bases["begins"], tmp_path, lora=lora, epochs=10, batch_size=1), RunFolder(tmp_path)
    write_records(folder.reasoning, [example(number, completion=SHORT) for number in range(2)])
    train_sft(recipe, folder, folder.sft)
    losses = [json.loads(line)["loss"] for line in (folder.sft / "metrics.jsonl").read_text().splitlines()]
    assert losses[-1] < 0.9 * losses[0]
    names = set(open_model(str(folder.sft / "model")).state_dict())
    assert names == set(open_model(str(bases["begins"])).state_dict())

    adapted = open_trainable(str(bases["begins"]), recipe.sft, recipe.sft.lora)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:  # these start at zero
            torch.nn.init.normal_(weight, std=0.05)
    ids = torch.tensor([[7, 8, 9, 10]])
    with torch.no_grad():
        before = adapted(ids).logits
        torch.testing.assert_close(merged(adapted)(ids).logits, before, atol=1e-4, rtol=0)


def test_unknown_module_for_adapters_is_one_sentence(bases: dict[str, Path]) -> None:
    pytest.importorskip("peft")
    from guardreasoner.training.adapters import open_trainable

    section = SFTSection.model_validate({"bf16": False, "lora": {"target_modules": ["c_attn"]}})
    with pytest.raises(InputError, match=r"`lora.target_modules`: Target modules .*c_attn.* not found"):
        open_trainable(str(bases["begins"]), section, section.lora)


def test_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no model can be opened from this folder"):
        open_model(str(tmp_path))


def test_folder_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match=r"^\./nowhere: no such folder, expected one with config\.json and weights"):
        open_model("./nowhere")


def test_torn_weights_are_named(bases: dict[str, Path], tmp_path: Path) -> None:
    for path in bases["begins"].iterdir():
        content = path.read_bytes()
        (tmp_path / path.name).write_bytes(content[: len(content) // 2] if path.suffix == ".safetensors" else content)
    with pytest.raises(InputError, match=r"its weights cannot be read|can be opened from this folder"):
        open_model(str(tmp_path))


def test_tokenizer_without_an_end_token_is_refused(bases: dict[str, Path], tmp_path: Path) -> None:
    for path in bases["begins"].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    said = json.loads((tmp_path / "tokenizer_config.json").read_text())
    del said["eos_token"]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(said))
    with pytest.raises(InputError, match=r"names no end token \(eos_token\), expected one that ends an answer"):
        end_token(open_tokens(str(tmp_path)), FORMATS["paper"], str(tmp_path))
