"""Seed sets from local copies in the raw upstream layouts, and from a hub that is not there or says no."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from seed_rows import AEGIS, BEAVERTAILS, TOXICCHAT, WILDGUARD, upstream, write, write_upstream
from servers.process import serving

from guardreasoner.data.hub import find_file, seed_samples
from guardreasoner.data.seeds import SEEDS, Seed, seed_of
from guardreasoner.data.tally import Tally
from guardreasoner.errors import InputError
from guardreasoner.types import Sample

pytest.importorskip("pyarrow")
ROWS = {"WildGuardTrain": WILDGUARD, "AegisTrain": AEGIS, "BeaverTails": BEAVERTAILS, "ToxicChat": TOXICCHAT}


def taken(name: str, raw: Path, rows: int = 100, draw: int = 0) -> tuple[list[Sample], Tally]:
    tally = Tally()
    return [found.sample for found in seed_samples(seed_of(name), raw, rows, draw, tally)], tally


def refusal(name: str, raw: Path, rows: int = 100) -> str:
    with pytest.raises(InputError) as caught:
        taken(name, raw, rows)
    return str(caught.value).replace(str(raw), "RAW")


@pytest.mark.parametrize(
    ("name", "count"), [("WildGuardTrain", 3), ("AegisTrain", 2), ("BeaverTails", 2), ("ToxicChat", 2)]
)
def test_upstream_file_is_read(name: str, count: int, tmp_path: Path) -> None:
    samples, tally = taken(name, write_upstream(tmp_path))
    assert [sample.id for sample in samples] == [f"{name}-{number}" for number in range(1, count + 1)]
    assert (tally.rows, tally.taken) == (len(ROWS[name]), count)


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz", ".json", ".json.gz", ".csv", ".csv.gz", ".parquet"])
@pytest.mark.parametrize("name", ["AegisTrain", "ToxicChat"])
def test_any_form_gives_the_same_samples(name: str, ending: str, tmp_path: Path) -> None:
    write(upstream(tmp_path / "hub", name), ROWS[name])
    write(tmp_path / "own" / f"{name}{ending}", ROWS[name])
    assert taken(name, tmp_path / "own")[0] == taken(name, tmp_path / "hub")[0]


def test_what_was_left_out_is_counted_and_the_difference_said(tmp_path: Path) -> None:
    _, tally = taken("ToxicChat", write_upstream(tmp_path))
    assert dict(tally.left_out) == {"no human annotation": 1}
    assert tally.sentence() == (
        "2 of 3 rows; left out: 1 no human annotation; found 2 usable of 3 rows, the paper's set has 2,801 of 5,082"
    )


def test_fewer_rows_are_a_seeded_draw_in_file_order(tmp_path: Path) -> None:
    rows = [{**TOXICCHAT[0], "user_input": f"Say {number}."} for number in range(50)]
    write(upstream(tmp_path, "ToxicChat"), rows)
    draws = [
        [int(sample.id.split("-")[1]) for sample in taken("ToxicChat", tmp_path, 10, draw)[0]] for draw in (0, 0, 1)
    ]
    assert draws[0] == draws[1] != draws[2]
    assert [len(each) for each in draws] == [10, 10, 10]
    assert draws[0] == sorted(draws[0])
    assert taken("ToxicChat", tmp_path, 10)[1].left_out["not drawn"] == 40


def test_unreadable_row_is_counted_and_moves_no_id(tmp_path: Path) -> None:
    lines = [json.dumps(row) for row in BEAVERTAILS]
    (tmp_path / "BeaverTails.jsonl").write_text(f"{lines[0]}\n{{broken\n{lines[1]}\n")
    samples, tally = taken("BeaverTails", tmp_path)
    assert [sample.id for sample in samples] == ["BeaverTails-1", "BeaverTails-3"]
    assert dict(tally.left_out) == {"not valid JSON: Expecting property name enclosed in double quotes at column 2": 1}


def test_file_of_another_set_is_one_sentence(tmp_path: Path) -> None:
    write(tmp_path / "BeaverTails.jsonl", [{"question": "Hi?"}])
    assert refusal("BeaverTails", tmp_path) == (
        "RAW/BeaverTails.jsonl: no rows of BeaverTails: expected the field 'prompt', found question"
    )


def test_set_without_a_usable_row_is_one_sentence(tmp_path: Path) -> None:
    write(tmp_path / "ToxicChat.csv", TOXICCHAT[2:])
    assert refusal("ToxicChat", tmp_path) == (
        "RAW/ToxicChat.csv: none of 1 rows could be taken, the first reason: no human annotation"
    )


def test_archive_that_breaks_off_is_one_sentence(tmp_path: Path) -> None:
    path = write(tmp_path / "BeaverTails.jsonl.gz", BEAVERTAILS * 50)
    path.write_bytes(path.read_bytes()[:-20])
    assert refusal("BeaverTails", tmp_path).startswith("RAW/BeaverTails.jsonl.gz is not a whole gzip file: ")


def test_missing_file_says_where_it_is_sought_and_what_brings_it(tmp_path: Path) -> None:
    assert refusal("BeaverTails", tmp_path) == (
        "RAW: no file of BeaverTails, expected BeaverTails/round0/30k/train.jsonl.gz "
        '(`hf download PKU-Alignment/BeaverTails "round0/30k/train.jsonl.gz" --repo-type dataset '
        "--revision 8401fe609d288129cc684a9b3be6a93e41cfe678 --local-dir RAW/BeaverTails` brings it) "
        "or BeaverTails with one of the endings .jsonl, .json, .csv, .jsonl.gz, .json.gz, .csv.gz, .jsonl.xz, .parquet"
    )


def test_no_rows_asked_is_one_sentence(tmp_path: Path) -> None:
    assert refusal("BeaverTails", tmp_path, 0) == "data.seeds.BeaverTails: 0 is no number of rows, expected 1 or more"


@pytest.mark.parametrize("place", ["allenai/wildguardmix/train", "WildGuardTrain/train", "train", "."])
def test_copy_is_found_where_a_person_puts_it(place: str, tmp_path: Path) -> None:
    path = write(tmp_path / place / "wildguard_train.parquet", WILDGUARD)
    assert find_file(seed_of("WildGuardTrain"), tmp_path) == path


def test_file_may_be_named_itself(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.jsonl", BEAVERTAILS)
    assert [sample.id for sample in taken("BeaverTails", path)[0]] == ["BeaverTails-1", "BeaverTails-2"]


def test_datasets_reads_a_set_as_the_hub_serves_it(tmp_path: Path) -> None:
    """The real `load_dataset`, with a folder of the hub's layout in the place of its name."""
    pytest.importorskip("datasets")
    for seed in SEEDS:
        local = as_local(seed, tmp_path)
        found = seed_samples(local, None, 100, 0, Tally())
        assert [each.sample for each in found] == taken(seed.name, tmp_path / "raw")[0]


def as_local(seed: Seed, folder: Path) -> Seed:
    hub = folder / "hub" / seed.name
    for path in (upstream(folder / "raw", seed.name), hub / seed.file):
        write(path, ROWS[seed.name])
    config = seed.config or "default"
    files = f"  data_files:\n  - split: '{seed.split}'\n    path: '{seed.file}'\n"
    (hub / "README.md").write_text(f"---\nconfigs:\n- config_name: {config}\n{files}---\n")
    return replace(seed, hub=str(hub), config=config)


def from_hub(folder: Path, **environment: str) -> str:
    """What a process that loads WildGuardTrain from the hub ends with."""
    code = (
        "from guardreasoner.data.hub import seed_samples\nfrom guardreasoner.data.seeds import seed_of\n"
        "from guardreasoner.data.tally import Tally\nfrom guardreasoner.errors import InputError\n"
        "try: list(seed_samples(seed_of('WildGuardTrain'), None, 5, 0, Tally()))\n"
        "except InputError as error: print(error)"
    )
    plain = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**plain, "HF_HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_gated_set_says_what_to_do(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    with serving("gated_hub.py", folder=tmp_path) as address:
        said = from_hub(tmp_path, HF_ENDPOINT=address)
    assert said == (
        "allenai/wildguardmix is gated and this account has no access: accept its terms at "
        "https://huggingface.co/datasets/allenai/wildguardmix, then run `hf auth login` or set HF_TOKEN"
    )


def test_no_network_says_how_to_read_a_copy(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    assert from_hub(tmp_path, HF_HUB_OFFLINE="1") == (
        "cannot reach the hub for allenai/wildguardmix; "
        '`hf download allenai/wildguardmix "train/wildguard_train.parquet" '
        "--repo-type dataset --revision d29c47f41c8b51348b5c8e8c81c039b3132b66d1 --local-dir raw/wildguardmix` "
        'brings the files where there is a network, and `data.raw = "raw"` reads them'
    )


def test_without_datasets_the_extra_is_named(tmp_path: Path) -> None:
    """A process in which the library cannot be imported: a module of its name that is not there for it."""
    (tmp_path / "datasets.py").write_text("raise ImportError('not installed')")
    code = (
        "from guardreasoner.data.hub import open_rows\nfrom guardreasoner.data.seeds import SEEDS\n"
        "from guardreasoner.errors import MissingExtra\n"
        "try: open_rows(SEEDS[0], None)\nexcept MissingExtra as error: print(error)"
    )
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "loading data sets from the hub needs `pip install 'guardreasoner[data]'`\n"
