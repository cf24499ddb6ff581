"""Files of other people, piece by piece."""

from __future__ import annotations

import gzip
import json
import lzma
from pathlib import Path

import pytest

from guardreasoner.data.raw import read_raw
from guardreasoner.data.tables import Record
from guardreasoner.errors import InputError


def message(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        list(read_raw(path))
    return str(caught.value).replace(f"{path.parent}/", "")


def test_list_longer_than_a_piece_is_read_whole(tmp_path: Path) -> None:
    rows = [{"text": "x" * (number * 977 % 5000), "number": number} for number in range(1500)]
    for indent in (None, 2):
        path = tmp_path / "rows.json"
        path.write_text(json.dumps(rows, indent=indent))
        assert path.stat().st_size > 3 * 2**20
        assert [record.value for record in read_raw(path)] == rows


@pytest.mark.parametrize("text", ["[]", " [ ] \n", "\ufeff[]"])
def test_empty_list_has_no_rows(text: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(text, encoding="utf-8")
    assert list(read_raw(path)) == []


def test_element_that_is_no_object_says_so(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text('[12, {"a": [1, {"b": 2}]}]')
    assert list(read_raw(path)) == [
        Record(1, None, "expected a JSON object, found int"),
        Record(2, {"a": [1, {"b": 2}]}),
    ]


def test_lines_under_the_name_of_json_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.json.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n{"a": 2}\n'))
    assert [record.value for record in read_raw(path)] == [{"a": 1}, {"a": 2}]


def test_lines_packed_with_xz_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.xz"
    path.write_bytes(lzma.compress(b'{"a": 1}\n{"a": 2}\n'))
    assert [record.value for record in read_raw(path)] == [{"a": 1}, {"a": 2}]


def test_xz_file_that_breaks_off_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.xz"
    path.write_bytes(lzma.compress(b'{"a": 1}\n')[:-8])
    assert message(path).startswith("rows.jsonl.xz is not a whole xz file: ")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "rows.json: found an empty file, expected a list of objects"),
        ('"a"', "rows.json: found other JSON, expected a list of objects"),
        ('[{"a": 1}', "rows.json, row 1: the list is not closed"),
        ('[{"a": 1} {"a": 2}]', "rows.json, row 1: expected a comma or the end of the list after it"),
        ('[{"a": 1}, {"a": }]', "rows.json, row 2: not valid JSON: Expecting value"),
        ("[] []", "rows.json: text after the end of the list"),
        ("[" * 100_000, "rows.json, row 1: not readable JSON: nested too deep or a number too long"),
    ],
)
def test_broken_list_is_one_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(text)
    assert message(path) == sentence


def test_bytes_that_are_not_utf8_are_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_bytes(b'[{"a": "\xff"}]')
    assert message(path) == "rows.json: not valid UTF-8"


def test_unknown_ending_is_one_sentence(tmp_path: Path) -> None:
    assert message(tmp_path / "rows.xlsx") == (
        "rows.xlsx: expected a name that ends in .jsonl, .json, .csv, .jsonl.gz, .json.gz, .csv.gz, .jsonl.xz, .parquet"
    )


def test_file_that_is_no_archive_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl.gz").write_text("{}")
    assert message(tmp_path / "rows.jsonl.gz").startswith("rows.jsonl.gz is not a whole gzip file: Not a gzipped file")
