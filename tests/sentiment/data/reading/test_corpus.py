"""From a source's rows to one table: ids, columns, cleaning, and errors that say where."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentiment.data.reading.corpus import Columns, read_corpus
from sentiment.data.reading.sources import SourceFile, find_files
from sentiment.terminal.errors import UserError

COLUMNS = Columns("text", "label", None, ["negative", "positive"], strip_html=True)


def write(path: Path, *rows: dict[str, Any] | str) -> SourceFile:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8")
    return SourceFile(path, "all")


def read(file: SourceFile, **changes: Any) -> pa.Table:
    return read_corpus([file], Columns(**{**vars(COLUMNS), **changes}))


def refusal(file: SourceFile, **changes: Any) -> str:
    with pytest.raises(UserError) as caught:
        read(file, **changes)
    return str(caught.value)


def test_columns_can_have_any_names_and_their_own_stay_beside_ours(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", {"review": "fine", "stars": "positive", "movie": 7, "text": "other", "label": 3, "group": "g", "year": 1999})
    row = read(file, text="review", label="stars", group="movie").to_pylist()[0]
    del row["raw_key"]
    assert row == {
        "id": "a-000001",
        "text": "fine",
        "label": 1,
        "group": "7",
        "source_text": "other",
        "source_label": 3,
        "source_group": "g",
        "year": 1999,
    }


def test_a_column_that_some_rows_lack_is_empty_there(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", {"text": "a", "label": 0}, {"text": "b", "label": 1, "year": 1999}, {"text": "c", "label": 1})
    assert read(file).column("year").to_pylist() == [None, 1999, None]


def test_text_is_cleaned_and_html_goes_only_where_asked(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", {"text": "  cafe\u0301<br />noir ", "label": 0})
    assert read(file).column("text").to_pylist() == ["caf\u00e9 noir"]
    assert read(file, strip_html=False).column("text").to_pylist() == ["caf\u00e9<br />noir"]


def test_lines_are_those_of_the_file_also_after_blank_lines_and_cells_of_several_lines(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text,label\n\n"two\nlines",0\n\nwrong,7\n', encoding="utf-8")
    assert "a.csv, line 6: label '7'" in refusal(SourceFile(tmp_path / "a.csv", "all"))
    assert "a.jsonl, line 4: label 7" in refusal(write(tmp_path / "a.jsonl", {"text": "x", "label": 0}, "", " ", {"text": "y", "label": 7}))
    pq.write_table(pa.table({"text": ["a", "b"], "label": [0, 7]}), tmp_path / "a.parquet")
    assert "a.parquet, row 2: label 7" in refusal(SourceFile(tmp_path / "a.parquet", "all"))


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbftext,label\nfine,1\n")
    assert read(SourceFile(tmp_path / "a.csv", "all")).column("text").to_pylist() == ["fine"]


def test_a_column_that_changes_its_type_is_named_with_line_and_value(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", *({"text": "x", "label": 0, "year": year} for year in (1999, None, "unknown")))
    message = refusal(file)
    assert "a.jsonl, line 3: column 'year'" in message and "'unknown'" in message and "1999" in message


@pytest.mark.parametrize("field", ["text", "id", "film"])
def test_half_a_character_is_named_with_its_line(tmp_path: Path, field: str) -> None:
    rows = [{"text": "a", "label": 0, "id": "1", "film": "f"}, {"text": "b", "label": 1, "id": "2", "film": "g"}]
    rows[1][field] = "cut \ud83d here"
    message = refusal(write(tmp_path / "a.jsonl", *rows), group="film")
    assert "a.jsonl, line 2" in message and "half a character" in message
    message.encode("utf-8")  # it can be printed


def test_two_columns_that_would_be_one_are_refused(tmp_path: Path) -> None:
    message = refusal(write(tmp_path / "a.jsonl", {"text": "a", "label": 0, "group": 1, "source_group": 2}))
    assert "'group'" in message and "'source_group'" in message


FOLDERS = [
    ["train/0000.jsonl", "train/0001.jsonl", "test/0000.jsonl"],
    ["2023/reviews.jsonl", "2024/reviews.jsonl"],
    ["train.jsonl", "test.jsonl", "validation.jsonl"],
    ["reviews.jsonl", "reviews.csv"],
    ["a.jsonl", "b/c/d.jsonl"],
]


@pytest.mark.parametrize("names", FOLDERS, ids=["+".join(names) for names in FOLDERS])
def test_no_two_rows_of_a_folder_have_the_same_id(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        if name.endswith(".csv"):
            (tmp_path / name).write_text("text,label\nfine,1\nbad,0\n", encoding="utf-8")
        else:
            write(tmp_path / name, {"text": f"{name} fine", "label": 1}, {"text": f"{name} bad", "label": 0})
    files, _ = find_files(tmp_path, "source")
    ids = [name for file in files for name in read_corpus([file], Columns(**{**vars(COLUMNS)})).column("id").to_pylist()]
    assert len(ids) == len(set(ids)) == 2 * len(names)


def test_ids_of_files_beside_each_other_begin_with_their_names(tmp_path: Path) -> None:
    for name in ("train", "test"):
        write(tmp_path / f"{name}.jsonl", {"text": name, "label": 1})
    files, _ = find_files(tmp_path, "source")
    assert [read_corpus([file], COLUMNS).column("id")[0].as_py() for file in files] == ["test-000001", "train-000001"]
    single, _ = find_files(tmp_path / "train.jsonl", "source")
    assert read_corpus(single, COLUMNS).column("id")[0].as_py() == "train-000001"


def test_hidden_files_are_no_part_of_a_source(tmp_path: Path) -> None:
    for name in ("a.jsonl", ".b.jsonl", ".cache/c.jsonl"):
        write(tmp_path / name, {"text": name, "label": 1})
    files, ignored = find_files(tmp_path, "source")
    assert ([file.path.name for file in files], ignored) == (["a.jsonl"], [])
