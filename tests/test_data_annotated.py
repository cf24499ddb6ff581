"""Dialogue whose labels stand in a file of their own."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from guardreasoner.data.annotated import annotated_samples, read_labels
from guardreasoner.data.tally import Tally
from guardreasoner.errors import InputError
from guardreasoner.recipe import DataSection
from guardreasoner.stages.data import collect
from guardreasoner.types import Exchange, Labels

TALK = (
    "Human user:\nHow do I bake bread?\n\nAI assistant:\nKnead, wait, bake.\n\n"
    "Human user:\nIs my neighbour's bread bad?\n\nAI assistant:\nYes, and so is he."
)
FIRST = Exchange(prompt="How do I bake bread?", response="Knead, wait, bake.")
SECOND = Exchange(prompt="Is my neighbour's bread bad?", response="Yes, and so is he.")


def texts(folder: Path, *some: str) -> Path:
    (folder / "text").mkdir()
    with gzip.open(folder / "text/talk.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": text, "source": "talk"}) + "\n" for text in some)
    return folder


def labels(folder: Path, *lines: str) -> Path:
    path = folder / "labels.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_every_labelled_turn_is_a_sample_once_and_the_others_are_counted(tmp_path: Path) -> None:
    path = labels(tmp_path, "# who said so", "", f"{SECOND.digest} UCh", "0123456789abcdef HRu")
    tally = Tally()
    found = list(annotated_samples(texts(tmp_path, "Once upon a time.", TALK, TALK), "talk", path, tally))
    assert [(each.place, each.line, each.sample.id, each.sample.exchange) for each in found] == [
        ("talk", 2, "talk-2-3", SECOND)
    ]
    assert found[0].sample.labels == Labels(
        prompt_harmfulness="unharmful", response_refusal="compliance", response_harmfulness="harmful"
    )
    assert tally.sentence() == ("1 of 2 rows; left out: 1 no label; 1 of 2 labels are of exchanges that are not there")


def test_labels_that_fit_no_exchange_are_refused(tmp_path: Path) -> None:
    path = labels(tmp_path, "0123456789abcdef HRu")
    with pytest.raises(InputError, match="none of 2 rows could be taken, the first reason: no label"):
        list(annotated_samples(texts(tmp_path, TALK), "talk", path, Tally()))


@pytest.mark.parametrize("line", ["0123456789abcdef", "0123456789abcdef HR", "0123456789abcdef huR", "xyz HRu"])
def test_line_that_is_no_label_is_named(tmp_path: Path, line: str) -> None:
    path = labels(tmp_path, "# first", line)
    with pytest.raises(InputError) as caught:
        read_labels(path)
    assert str(caught.value) == (
        f"{path} line 2: found {line!r}, expected 16 hexadecimal digits and letters such as HRu"
    )


def test_exchange_with_two_labels_is_named(tmp_path: Path) -> None:
    path = labels(tmp_path, "0123456789abcdef HRu", "0123456789abcdef HRu", "0123456789abcdef HCu")
    with pytest.raises(InputError, match="line 3: 0123456789abcdef has other labels above, expected each once"):
        read_labels(path)


def test_labels_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_labels(tmp_path / "none.txt")
    assert str(caught.value) == f"{tmp_path / 'none.txt'}: no such file or directory; `data.annotated` names it"


def test_question_mark_is_no_label(tmp_path: Path) -> None:
    (read,) = read_labels(labels(tmp_path, "0123456789abcdef ?Rh")).values()
    assert read == Labels(response_refusal="refusal", response_harmfulness="harmful")


def test_digest_stays_what_files_of_labels_hold() -> None:
    assert FIRST.digest == "beddfbdf54c87ac6"
    assert Exchange(prompt=FIRST.response or "", response=FIRST.prompt).digest != FIRST.digest


def test_source_that_is_benign_by_rule_and_annotated_is_refused(tmp_path: Path) -> None:
    section = DataSection(folder=tmp_path, pairs={"talk": 5}, annotated={"talk": labels(tmp_path, "")})
    with pytest.raises(InputError, match=r"talk: in `data\.pairs`, which takes it as benign, and in `data\.annotated`"):
        list(collect(section, {}))


def test_recipe_takes_annotated_dialogue(tmp_path: Path) -> None:
    path = labels(texts(tmp_path, TALK), f"{FIRST.digest} UCu", f"{SECOND.digest} UCh")
    tallies: dict[str, Tally] = {}
    found = list(collect(DataSection(folder=tmp_path, annotated={"talk": path}), tallies))
    assert [each.exchange for each in found] == [FIRST, SECOND]
    assert tallies["talk"].figures() == {"from": f"talk, labels of {path}", "rows": 2, "taken": 2}


def test_labels_of_the_embedded_guard_are_well_formed() -> None:
    path = Path(__file__).parent.parent / "recipes/nano-labels.txt"
    found = read_labels(path)
    assert len(found) == 5324
    assert sum(each.response_harmfulness == "harmful" for each in found.values()) == 1888
