"""The stage `data`: all sources of a recipe, what is said of each, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from seed_rows import write, write_upstream
from test_data_released import row
from test_data_released import write as write_json

from guardreasoner.errors import InputError
from guardreasoner.recipe import DataSection, FileSource, Recipe
from guardreasoner.run import RunFolder, read_records
from guardreasoner.stages.data import collect, run
from guardreasoner.types import Sample

pytest.importorskip("pyarrow")
SEEDS = {"WildGuardTrain": 9, "AegisTrain": 9, "BeaverTails": 9, "ToxicChat": 9}


def test_all_sources_come_together_and_are_accounted_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    section = DataSection(
        own=20,
        seeds=SEEDS,
        raw=write_upstream(tmp_path / "raw"),
        released=(write_json(tmp_path / "mine-R.json", [row("A new prompt", "Hi"), {}]),),
        files=(FileSource(path=write(tmp_path / "rows.csv", [{"prompt": "How do I bake bread?"}])),),
        dev_share=0.2,
    )
    folder = RunFolder(tmp_path / "run")
    folder.root.mkdir()
    run(Recipe(name="all", output=folder.root, data=section), folder)
    kept = [*read_records(folder.train, Sample), *read_records(folder.dev, Sample)]
    note = json.loads((folder.root / "data.json").read_text(encoding="utf-8"))
    assert len(kept) == 20 + 3 + 2 + 2 + 2 + 1 + 1
    assert note["train"]["rows"] + note["dev"]["rows"] == len(kept)
    assert note["sources"]["ToxicChat"] == {
        "from": str(tmp_path / "raw/toxic-chat/data/0124/toxic-chat_annotation_train.csv"),
        "hub": "lmsys/toxic-chat",
        "split": "train",
        "licence": "CC-BY-NC-4.0",
        "rows": 3,
        "taken": 2,
        "left out": {"no human annotation": 1},
        "note": "found 2 usable of 3 rows, the paper's set has 2,801 of 5,082",
    }
    assert "mine-R.json: 1 of 2 rows; left out: 1 no text in `instruction`\n" in capsys.readouterr().err


def test_repeated_exchange_is_counted_under_its_source(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", [{"prompt": "Hello"}, {"prompt": "hello!"}])
    folder = RunFolder(tmp_path)
    run(Recipe(name="two", output=tmp_path, data=DataSection(files=(FileSource(path=path),))), folder)
    note = json.loads((tmp_path / "data.json").read_text(encoding="utf-8"))
    assert (note["repeated rows left out"], note["repeated rows by source"]) == (1, {"rows": 1})


def test_two_rows_with_one_id_are_named(tmp_path: Path) -> None:
    rows = [{"key": 7, "prompt": "Hello"}, {"key": 8, "prompt": "Bye"}, {"key": 7, "prompt": "Again"}]
    source = FileSource(path=write(tmp_path / "rows.jsonl", rows), id="key")
    with pytest.raises(InputError) as caught:
        list(collect(DataSection(files=(source,)), {}))
    assert str(caught.value).replace(f"{tmp_path}/", "") == (
        "rows.jsonl, row 3: the id '7' of source 'rows' is taken by rows.jsonl, row 1; expected each id once"
    )


def test_failed_collection_leaves_no_file(tmp_path: Path) -> None:
    source = FileSource(path=write(tmp_path / "rows.jsonl", [{"prompt": "Hello"}] * 2), id="prompt")
    folder = RunFolder(tmp_path / "run")
    folder.root.mkdir()
    with pytest.raises(InputError):
        run(Recipe(name="bad", output=folder.root, data=DataSection(files=(source,))), folder)
    assert list(folder.root.iterdir()) == []
