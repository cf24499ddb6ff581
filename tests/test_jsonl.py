"""Lines of JSON: what is readable, what a journal keeps, and files that are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardreasoner.errors import InputError
from guardreasoner.jsonl import Journal, Line, make_folder, parse_line, read_lines, read_objects, write_objects


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"{", "not valid JSON: Expecting property name enclosed in double quotes at column 2"),
        (b'{"a": "\xff"}', "not valid UTF-8 at byte 8"),
        (b"[1]", "expected a JSON object, found list"),
        (b"[" * 100_000, "not readable JSON: nested too deep or a number too long"),
        (b'{"a": ' + b"1" * 5000 + b"}", "not readable JSON: nested too deep or a number too long"),
    ],
)
def test_unreadable_line_says_why(line: bytes, error: str) -> None:
    assert parse_line(line, 7) == Line(7, None, error)


def test_lines_are_counted_with_blank_ones_and_without_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\n{"a": 2}')
    assert list(read_lines(path)) == [Line(1, {"a": 1}), Line(3, {"a": 2})]


def test_strict_reading_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\nnothing\n')
    with pytest.raises(InputError, match=r"rows.jsonl, line 2: not valid JSON: Expecting value at column 1$"):
        list(read_objects(path))


def test_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^cannot read .*none.jsonl: no such file or directory$"):
        list(read_objects(tmp_path / "none.jsonl"))


def test_written_objects_are_read_back(tmp_path: Path) -> None:
    values = [{"text": "na\u00efve \u4f60\u597d\n"}, {"text": None}, {"text": "\ud800"}]
    write_objects(tmp_path / "rows.jsonl", values)
    assert list(read_objects(tmp_path / "rows.jsonl")) == values


def test_a_file_stays_as_it_was_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError):
        write_objects(path, ({"value": 1 // divisor} for divisor in (1, 0)))
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_journal_gives_back_what_an_earlier_process_appended(tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as journal:
        journal.append([{"row": 1}, {"row": 2}])
    with Journal(tmp_path / "j") as journal:
        journal.append([{"row": 3}])
        assert list(journal.read()) == [{"row": 1}, {"row": 2}, {"row": 3}]


@pytest.mark.parametrize("torn", [b"{", b'{"row": 3', b'{"row": 3}', b'{"long": "' + b"x" * 200_000])
def test_torn_last_line_of_a_journal_is_dropped(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "j"
    path.write_bytes(b'{"row": 1}\n{"row": 2}\n' + torn)
    with Journal(path) as journal:
        journal.append([{"row": 4}])
        assert list(journal.read()) == [{"row": 1}, {"row": 2}, {"row": 4}]


def test_journal_of_one_torn_line_is_empty(tmp_path: Path) -> None:
    (tmp_path / "j").write_bytes(b'{"row"')
    with Journal(tmp_path / "j") as journal:
        assert list(journal.read()) == []


def test_journal_belongs_to_one_writer_at_a_time(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with Journal(tmp_path / "j"), pytest.raises(InputError, match=r"j is in use by another process"):
        Journal(tmp_path / "j")


def test_journal_in_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^cannot write .*none.j: no such file or directory$"):
        Journal(tmp_path / "none" / "j")


def test_a_folder_where_a_file_stands_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="cannot make the folder"):
            make_folder(path)
    make_folder(tmp_path / "new" / "below")
    make_folder(tmp_path / "new" / "below")
    assert (tmp_path / "new" / "below").is_dir()


def test_a_journal_can_be_written_anew_and_goes_on(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal") as journal:
        journal.append([{"a": 1}, {"a": 2}])
        journal.replace({"a": row["a"] * 10} for row in list(journal.read()))
        journal.append([{"a": 3}])
        assert list(journal.read()) == [{"a": 10}, {"a": 20}, {"a": 3}]
        with pytest.raises(InputError, match="in use by another process"):
            Journal(tmp_path / "journal")
