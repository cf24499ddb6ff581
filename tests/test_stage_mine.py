"""Mining as a stage: through an engine, through a server, stopped and gone on with, and what it counts."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from servers.process import serving
from tiny import make_tiny_checkpoint

from guardreasoner.engines.scripted import ScriptedEngine
from guardreasoner.errors import EngineError, InputError
from guardreasoner.formats import FORMATS
from guardreasoner.mining.questions import Question, draw
from guardreasoner.mining.report import markdown
from guardreasoner.mining.sampling import BATCH, Settings, digest, rollouts, sample
from guardreasoner.recipe import Recipe
from guardreasoner.run import RunFolder, read_records, write_records
from guardreasoner.stages import data, ensemble, mine
from guardreasoner.types import Completion, Exchange, Labels, PreferencePair, Sample, SamplingParams, SFTExample, Task

NANO = FORMATS["nano"]


class Recording(ScriptedEngine):
    """Says one of two answers, keeps what it was asked, and fails at the call of number `fails_at`."""

    def __init__(self, fails_at: int | None = None, **options: Any) -> None:
        super().__init__(lambda prompt, attempt: ("It harms.", "So it seems to be.")[attempt % 2], **options)
        self.fails_at = fails_at
        self.calls: list[tuple[int, int | None]] = []

    def generate(self, prompts: Sequence[str], params: SamplingParams) -> list[list[Completion]]:
        if self.fails_at == len(self.calls):
            raise EngineError("the server went away")
        self.calls.append((len(prompts), params.seed))
        return super().generate(prompts, params)


def questions(count: int = 300) -> Sequence[Question]:
    samples = (
        Sample(
            id=str(number),
            source="mild",
            exchange=Exchange(prompt=f"Hello {'again ' * (number % 5)}{number}"),
            labels=Labels(prompt_harmfulness="unharmful"),
        )
        for number in range(count)
    )
    return draw(samples, NANO).questions


ASKED = questions()
SETTINGS = Settings(
    weights="scripted",
    engine="scripted",
    format="nano",
    prompts=digest(ASKED),
    completions=2,
    temperature=1.0,
    top_p=0.95,
    max_tokens=4,
    seed=0,
)


def go(path: Path, engine: ScriptedEngine, settings: Settings = SETTINGS) -> bytes:
    sample(engine, "main", ASKED, path, NANO, settings)
    return path.read_bytes()


def test_text_that_ended_gets_its_end_and_one_that_was_cut_is_marked(tmp_path: Path) -> None:
    go(tmp_path / "r.jsonl", Recording())
    first = next(rollouts(tmp_path / "r.jsonl"))
    assert (first.texts, first.cut, first.problem) == (
        ("It harms.<|end|>", "So it seems to"), (False, True), None,
    )  # fmt: skip


def test_every_question_is_asked_once_the_longest_first(tmp_path: Path) -> None:
    engine = Recording()
    go(tmp_path / "r.jsonl", engine)
    assert [size for size, _ in engine.calls] == [BATCH, BATCH, 300 - 2 * BATCH]
    assert len({seed for _, seed in engine.calls}) == 3
    found = [rollout.id for rollout in rollouts(tmp_path / "r.jsonl")]
    assert (len(set(found)), found[0]) == (300, "104")  # the first of those with four words more and three digits


def test_stopped_run_goes_on_with_the_batch_that_was_under_way(tmp_path: Path) -> None:
    whole = Recording()
    undisturbed = go(tmp_path / "whole.jsonl", whole)
    with pytest.raises(EngineError):
        go(tmp_path / "r.jsonl", Recording(fails_at=1))
    again = Recording()
    assert go(tmp_path / "r.jsonl", again) == undisturbed
    assert again.calls == whole.calls[1:]


@pytest.mark.parametrize("kept_lines", [0, 10, BATCH, BATCH + 1, 299])
def test_torn_journal_becomes_that_of_an_undisturbed_run(tmp_path: Path, kept_lines: int) -> None:
    undisturbed = go(tmp_path / "r.jsonl", Recording())
    lines = undisturbed.splitlines(keepends=True)
    (tmp_path / "r.jsonl").write_bytes(b"".join(lines[:kept_lines]) + lines[kept_lines][:-9])
    again = Recording()
    assert go(tmp_path / "r.jsonl", again) == undisturbed
    assert len(again.calls) == 3 - kept_lines // BATCH


def test_prompt_that_does_not_fit_is_kept_with_the_reason(tmp_path: Path) -> None:
    go(tmp_path / "r.jsonl", Recording(context_length=6))
    kept = list(rollouts(tmp_path / "r.jsonl"))
    unfit = [rollout for rollout in kept if rollout.problem]
    assert (len(kept), len(unfit)) == (300, 60)  # "Hello again again again again 4" has six words
    assert (unfit[0].texts, unfit[0].problem) == ((), "the prompt has 6 tokens, the model takes at most 5")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"temperature": 0.7}, "was made with temperature 1.0, now it is 0.7"),
        ({"weights": "other"}, "was made with weights 'scripted', now it is 'other'"),
        ({"prompts": "300-00000000"}, "was made with prompts '300-"),
    ],
)
def test_journal_of_other_settings_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    go(tmp_path / "r.jsonl", Recording())
    with pytest.raises(InputError, match=said):
        go(tmp_path / "r.jsonl", Recording(), SETTINGS.model_copy(update=change))


def test_line_that_is_no_rollout_is_named(tmp_path: Path) -> None:
    go(tmp_path / "r.jsonl", Recording())
    (tmp_path / "r.jsonl").write_text('{"id": "1", "source": "mild", "model": "main"}\n')
    with pytest.raises(InputError, match=r"r\.jsonl, line 1: no rollout: `texts`: Field required"):
        go(tmp_path / "r.jsonl", Recording())


def test_journal_whose_settings_are_gone_is_refused(tmp_path: Path) -> None:
    go(tmp_path / "r.jsonl", Recording())
    (tmp_path / "r.settings.json").unlink()
    with pytest.raises(InputError, match=r"r\.settings\.json: not there, so nobody knows what r\.jsonl was made with"):
        go(tmp_path / "r.jsonl", Recording())


# the stage


def recipe_of(folder: Path, **sections: Any) -> Recipe:
    return Recipe.model_validate({"name": "mild", "output": folder, "data": {"own": 120}, **sections})


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("guard")
    with serving("guard_server.py", str(folder / "log"), "0", folder=folder) as found:
        yield found


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, address: str) -> RunFolder:
    """Mined from a main model and two members, one of which was not trained on the source."""
    folder = RunFolder(tmp_path_factory.mktemp("mined"))
    mined = {"models": dict.fromkeys(("main", "m1", "m2"), address), "max_tokens": 64}
    recipe = recipe_of(folder.root, mine=mined, ensemble={"leave_out": {"m1": ["own"], "m2": ["other"]}})
    data.run(recipe, folder)
    mine.run(recipe, folder)
    return folder


def figures(folder: RunFolder) -> dict[str, Any]:
    return json.loads((folder.root / "mine.json").read_text())


def test_counts_of_every_model_add_up_to_the_inputs(ran: RunFolder) -> None:
    said = figures(ran)
    asked = sum(len(NANO.asks(each.exchange)) for each in read_records(ran.train, Sample))
    assert said["inputs"] + sum(said["left out"].values()) == asked
    assert list(said["models"]) == ["main", "m1", "m2"]
    for model in said["models"].values():
        assert sum(model["inputs"].values()) == said["inputs"]
        assert sum(model["texts"].values()) == 4 * said["inputs"]
        for part in ("by source", "by task"):  # one task a question
            assert sum(sum(counts.values()) for counts in model[part].values()) == said["inputs"]
        assert sum(model["hard, decided by"].values()) == model["inputs"]["hard"]


def test_pairs_of_every_model_are_taken_or_dropped(ran: RunFolder) -> None:
    said = figures(ran)
    hard = sum(model["inputs"]["hard"] for model in said["models"].values())
    dropped = sum(sum(counts.values()) for counts in said["pairs"]["dropped"].values())
    assert hard == said["pairs"]["pairs"] + dropped > 100
    assert set(said["pairs"]["by model"]) == {"m2"}  # the one that saw the source, where another did not
    assert sum(said["pairs"]["weights"].values()) == said["pairs"]["pairs"]


def test_pair_is_what_r_sft_would_have_trained(ran: RunFolder) -> None:
    pairs = list(read_records(ran.pairs, PreferencePair))
    assert len(pairs) == figures(ran)["pairs"]["pairs"]
    gold = {question.prompt: question for question in draw(read_records(ran.train, Sample), NANO).questions}
    for pair in pairs:
        question = gold[pair.prompt]
        ((task, label),) = ((task, question.gold.get(task) or "") for task in question.gold.tasks)
        right = f"<|answers|>{NANO.cue(task)}{NANO.choice(task, label)}<|end|>"
        assert pair.chosen.endswith(right)
        assert pair.rejected.endswith("<|end|>")
        assert not pair.rejected.endswith(right)
        assert 0.8 <= pair.weight <= 1.2


def test_report_is_for_readers_too(ran: RunFolder) -> None:
    text = (ran.root / "mine.md").read_text()
    assert "| model | easy | hard | hopeless | unreadable | not asked |" in text
    assert "- dropped of main, source taken from other models: " in text


def test_answers_are_paired_anew_with_equal_shares_of_the_labels(ran: RunFolder, address: str, tmp_path: Path) -> None:
    copy = RunFolder(Path(shutil.copytree(ran.root, tmp_path / "copy")))
    copy.pairs.unlink()
    mined = {"models": dict.fromkeys(("main", "m1", "m2"), address), "max_tokens": 64}
    mined["positive_share"] = {"prompt_harmfulness": 0.5}
    mine.run(recipe_of(copy.root, mine=mined, ensemble={"leave_out": {"m1": ["own"], "m2": ["other"]}}), copy)
    all_pairs, some = (list(read_records(folder.pairs, PreferencePair)) for folder in (ran, copy))
    labels, kept = (Counter((pair.task, pair.label) for pair in pairs) for pairs in (all_pairs, some))
    task = Task.PROMPT_HARMFULNESS
    fewer = min(labels[task, "harmful"], labels[task, "unharmful"])
    assert labels - kept == {
        (task, max(task.labels, key=lambda label: labels[task, label])): len(all_pairs) - len(some)
    }
    assert kept[task, "harmful"] == kept[task, "unharmful"] == fewer > 0
    assert figures(copy)["pairs"]["dropped"]["m2"] == {"beyond its label's share": len(all_pairs) - len(some)}
    text = (copy.root / "mine.md").read_text()
    assert "- prompt_harmfulness: positive share 0.5\n" in text
    assert f"- right: prompt_harmfulness: harmful: {fewer}\n- right: prompt_harmfulness: unharmful: {fewer}\n" in text


def test_report_says_where_a_share_could_not_be_kept(ran: RunFolder) -> None:
    said = figures(ran)
    said["rules"]["positive_share"] = {"response_refusal": 0.5}
    said["pairs"]["by right answer"] = {"response_refusal: compliance": 4}
    assert "- response_refusal: positive share 0.5; only one label occurs, so every pair is kept\n" in markdown(said)


def test_finished_stage_asks_nothing(ran: RunFolder, tmp_path: Path) -> None:
    recipe = recipe_of(ran.root, mine={"models": {"main": "http://127.0.0.1:9"}})
    before = ran.pairs.stat().st_mtime_ns
    mine.run(recipe, ran)
    assert ran.pairs.stat().st_mtime_ns == before


def test_recipe_without_the_section_mines_nothing_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(tmp_path)
    mine.run(recipe_of(tmp_path), folder)
    ensemble.run(recipe_of(tmp_path, ensemble={"leave_out": {"m1": ["own"]}}), folder)
    ensemble.run(recipe_of(tmp_path, mine={}), folder)
    assert capsys.readouterr().err.splitlines() == [
        "  the recipe has no section `mine`: nothing to do",
        "  the recipe has no section `mine`: nothing to do",
        "  the recipe has no members in `ensemble.leave_out`: nothing to do",
    ]
    assert list(tmp_path.iterdir()) == []


def test_model_that_is_not_trained_yet_is_named_with_its_stage(tmp_path: Path) -> None:
    recipe = recipe_of(
        tmp_path, mine={"models": {"main": "http://127.0.0.1:9"}}, ensemble={"leave_out": {"m1": ["own"]}}
    )
    with pytest.raises(InputError, match=r"m1/model: not there; the stage `ensemble` makes it, or `mine\.models\.m1`"):
        mine.run(recipe, RunFolder(tmp_path))


def test_model_that_no_member_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"`mine\.models\.m9`: no such model, expected one of main"):
        mine.run(recipe_of(tmp_path, mine={"models": {"m9": "x"}}), RunFolder(tmp_path))


def test_model_that_cannot_be_opened_is_named_before_any_is_asked(tmp_path: Path, address: str) -> None:
    recipe = recipe_of(
        tmp_path, mine={"models": {"main": address, "m1": "nowhere"}}, ensemble={"leave_out": {"m1": ["own"]}}
    )
    with pytest.raises(InputError, match=r"model 'nowhere': no such folder"):
        mine.run(recipe, RunFolder(tmp_path))


def test_checkpoint_of_the_embedded_format_is_mined_on_a_cpu(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.root.mkdir()
    make_tiny_checkpoint(folder.sft / "model")
    recipe = recipe_of(folder.root, mine={"limit": 6, "max_tokens": 4, "completions": 2})
    data.run(recipe, folder)
    mine.run(recipe, folder)
    said = figures(folder)
    assert (said["models"]["main"]["inputs"]["unreadable"], said["models"]["main"]["texts"]["cut"]) == (6, 12)
    assert (said["pairs"]["pairs"], folder.pairs.read_bytes()) == (0, b"")
    settings = json.loads((folder.rollouts / "main.settings.json").read_text())
    assert settings["engine"] == "embedded"


def examples(folder: RunFolder, *sources: str) -> None:
    write_records(
        folder.reasoning, (SFTExample(id=source, source=source, prompt="a", completion="b") for source in sources)
    )


@pytest.mark.parametrize(
    ("leave_out", "said"),
    [
        (["Toxic"], "no example of the source 'Toxic', expected one of Aegis, ToxicChat"),
        (["Aegis", "ToxicChat"], "leaves out every source, expected some to stay"),
    ],
)
def test_member_that_leaves_out_nothing_or_all_is_refused(tmp_path: Path, leave_out: list[str], said: str) -> None:
    folder = RunFolder(tmp_path)
    examples(folder, "Aegis", "ToxicChat")
    with pytest.raises(InputError, match=said):
        ensemble.run(recipe_of(tmp_path, mine={}, ensemble={"leave_out": {"m1": leave_out}}), folder)


@pytest.mark.parametrize("name", ["main", "../m1", ""])
def test_member_has_a_name_that_is_a_folder_of_its_own(name: str) -> None:
    with pytest.raises(ValueError, match=r"ensemble\.leave_out"):
        recipe_of(Path("x"), ensemble={"leave_out": {name: ["own"]}})


def test_member_is_trained_without_its_sources(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    folder = RunFolder(tmp_path)
    make_tiny_checkpoint(tmp_path / "base")
    examples(folder, "Aegis", "Aegis", "ToxicChat", "WildGuard")
    options = {"batch_tokens": 64, "bf16": False, "epochs": 2}
    recipe = recipe_of(
        tmp_path,
        model={"base": str(tmp_path / "base")},
        sft=options,
        mine={"models": {"m2": "http://127.0.0.1:9"}},
        ensemble={"leave_out": {"m1": ["Aegis", "ToxicChat"], "m2": ["WildGuard"]}},
    )
    ensemble.run(recipe, folder)
    assert sorted(path.name for path in folder.ensemble.iterdir()) == ["m1", "m1.json"]  # m2 is served elsewhere
    said = json.loads((folder.ensemble / "m1.json").read_text())
    assert (said["sources left out"], said["tokens"]) == ({"Aegis": 2, "ToxicChat": 1}, 3)
    weights = folder.ensemble / "m1" / "model" / "model.safetensors"
    before = weights.stat().st_mtime_ns
    ensemble.run(recipe, folder)
    assert weights.stat().st_mtime_ns == before


# kill -9


def test_killed_run_leaves_what_an_undisturbed_one_leaves(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serving("guard_server.py", str(log), "0.01", folder=tmp_path) as server:
        for name in ("whole", "killed"):
            (tmp_path / f"{name}.toml").write_text(
                f'name = "mild"\noutput = "{tmp_path / name}"\n[data]\nown = 200\n'
                f'[mine]\nmax_tokens = 64\nconcurrency = 4\nmodels = {{ main = "{server}" }}\n'
            )
            folder = RunFolder(tmp_path / name)
            folder.root.mkdir()
            data.run(recipe_of(folder.root, data={"own": 200}), folder)
        assert command(tmp_path / "whole.toml").wait() == 0
        asked = len(log.read_text().splitlines())
        journal = tmp_path / "killed" / "rollouts" / "main.jsonl"
        process = command(tmp_path / "killed.toml")
        while not (journal.is_file() and journal.stat().st_size):
            assert process.poll() is None, "it ended before it could be stopped"
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kept = len(journal.read_text().splitlines())
        assert 0 < kept < asked
        before = len(log.read_text().splitlines())
        assert command(tmp_path / "killed.toml").wait() == 0
        assert len(log.read_text().splitlines()) - before == asked - kept
    for name in ("pairs.jsonl", "mine.json", "rollouts/main.jsonl"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes(), name


def command(recipe: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "guardreasoner", "mine", str(recipe)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
