"""Reading files of every kind: the same rows whatever the format, and a file that changes is noticed."""

import bz2
import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment.data.reading.formats import count_rows, kind_of, read_rows, read_tables
from sentiment.data.reading.sources import find_files
from sentiment.terminal.errors import UserError

ROWS = [
    {"text": "plain", "label": "1"},
    {"text": 'quotes " and, commas', "label": "0"},
    {"text": "two\nlines", "label": "1"},
    {"text": "ünï 👍", "label": "0"},
]


def jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def separated(rows: list[dict[str, Any]], delimiter: str) -> bytes:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    return "\n".join(delimiter.join(map(cell, line)) for line in [list(rows[0]), *(row.values() for row in rows)]).encode()


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".tsv", ".jsonl.gz", ".csv.bz2", ".tsv.xz", ".parquet"])
def test_every_format_gives_the_same_rows(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"data{suffix}"
    kind = kind_of(path)
    if kind == ".parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    else:
        content = jsonl(ROWS) if kind == ".jsonl" else separated(ROWS, "\t" if kind == ".tsv" else ",")
        compress = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}.get(path.suffix, bytes)
        path.write_bytes(compress(content))
    assert [row.values for row in read_rows(path)] == ROWS
    assert [row for table in read_tables(path) for row in table.to_pylist()] == ROWS
    assert count_rows(path) >= len(ROWS) - 1


values = st.text(alphabet=st.characters(blacklist_categories=("Cs",), blacklist_characters="\x00"), max_size=20)


@given(st.lists(st.fixed_dictionaries({"text": values, "label": values}), min_size=1, max_size=8))
def test_what_is_written_as_csv_or_jsonl_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]]) -> None:
    import csv

    folder = tmp_path_factory.mktemp("formats")
    (folder / "x.jsonl").write_bytes(jsonl(rows))
    with (folder / "x.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["text", "label"], quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(rows)
    for name in ("x.jsonl", "x.csv"):
        assert [row.values for row in read_rows(folder / name)] == rows


def test_a_folder_of_class_folders_is_read_as_one_source(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("pos", "neg", "unsup"):
            (tmp_path / split / name).mkdir(parents=True)
            (tmp_path / split / name / "0_9.txt").write_text(f"{split} {name}", encoding="utf-8")
        (tmp_path / split / "urls_pos.txt").write_text("http://example.org", encoding="utf-8")
    (tmp_path / "README").write_text("about", encoding="utf-8")
    files, ignored = find_files(tmp_path, "source")
    assert [(file.path.relative_to(tmp_path).as_posix(), file.split) for file in files] == [
        ("test/neg", "test"),
        ("test/pos", "test"),
        ("train/neg", "train"),
        ("train/pos", "train"),
    ]
    assert {path.name for path in ignored} == {"unsup"}
    assert [row.values for row in read_rows(files[0].path)] == [{"text": "test neg", "label": "neg", "name": "0_9"}]


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(jsonl(ROWS))
    rows = read_rows(path)
    next(rows)
    with path.open("ab") as file:
        file.write(jsonl(ROWS))
    with pytest.raises(UserError, match="changed while it was read"):
        list(rows)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.jsonl", "train"),
        ("IMDB/Train-00001-of-2.csv", None),
        ("valid.tsv", "validation"),
        ("dev_1.csv", "validation"),
        ("test/part.csv", "test"),
        ("trainer.csv", None),
    ],
)
def test_splits_are_told_by_the_first_word_of_a_name(tmp_path: Path, name: str, split: str | None) -> None:
    for file in ("train-a.jsonl", name):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    files, ignored = find_files(tmp_path, "source")
    found = {file.path.relative_to(tmp_path).as_posix(): file.split for file in files}
    expected = "train" if name.startswith("IMDB") else split
    assert found.get(name) == expected
    assert (expected is None) == bool(ignored)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2**70], "line 2: column 'x' has a value that cannot be kept"),
        (["fine", "half \ud83d"], "line 2: column 'x' has a value that cannot be kept"),
        ([[1], ["a"]], "column 'x' holds lists or objects of different kinds"),
        ([1, "a"], "line 2: column 'x' has the value 'a' where earlier rows have int values like 1"),
    ],
)
def test_a_column_that_cannot_be_kept_is_named(tmp_path: Path, values: list[Any], expected: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps({"x": value}) + "\n" for value in values), encoding="utf-8")
    with pytest.raises(UserError, match=expected):
        list(read_tables(path))


def test_a_number_of_thousands_of_digits_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"x": ' + "9" * 5000 + "}", encoding="utf-8")
    with pytest.raises(UserError, match="x.jsonl, line 1: not JSON that can be read"):
        list(read_rows(path))
