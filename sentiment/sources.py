"""Files of labelled text: which ones a source has, of which split, and their rows."""

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sentiment.errors import UserError

SUFFIXES = (".jsonl", ".csv", ".parquet")
WHOLE = "all"  # the split of a source that names none

_SPLIT_NAMES = {
    **dict.fromkeys(["train", "training"], "train"),
    **dict.fromkeys(["validation", "valid", "val", "dev"], "validation"),
    "test": "test",
}
_FIRST_WORD = re.compile(r"[A-Za-z]+")
_TABLE_ROWS = 8192
_CSV_FIELD_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True)
class SourceFile:
    """One file of a source.

    Attributes
    ----------
    path : Path
        The file.
    split : str
        train, validation, test, or all where the source names no splits.
    """

    path: Path
    split: str


@dataclass(frozen=True)
class Row:
    """One row of a source file.

    Attributes
    ----------
    number : int
        Line number in jsonl and csv, row number in parquet, from 1.
    values : dict
        Column name to value.
    """

    number: int
    values: dict[str, Any]


def find_files(source: Path) -> tuple[list[SourceFile], list[Path]]:
    """Find the files of a source and their splits.

    Parameters
    ----------
    source : Path
        One file, or a folder. In a folder, a file whose name (or whose folder's name) starts with
        train, validation (valid, val, dev) or test belongs to that split.

    Returns
    -------
    files : list of SourceFile
        In the order of their paths. Where no name tells a split, all are of split ``all``.
    ignored : list of Path
        Data files beside the splits that belong to none (``unsupervised.parquet``).

    Raises
    ------
    UserError
        Where the source is missing, has no file of a known kind, or names splits without train.
    """
    if not source.exists():
        raise UserError(
            f"prepare.source = {source}: no such file or folder; for a dataset of the Hub or a file elsewhere, run `python -m sentiment fetch` first"
        )
    if source.is_file():
        if source.suffix not in SUFFIXES:
            raise UserError(f"prepare.source = {source}: unknown kind of file; known are {', '.join(SUFFIXES)}")
        return [SourceFile(source, WHOLE)], []
    paths = sorted(path for path in source.rglob("*") if path.suffix in SUFFIXES and path.is_file() and not path.name.startswith("."))
    if not paths:
        raise UserError(f"prepare.source = {source}: the folder has no {', '.join(SUFFIXES)} file")
    splits = {path: _split_of(path.relative_to(source)) for path in paths}
    if not any(splits.values()):
        return [SourceFile(path, WHOLE) for path in paths], []
    if "train" not in splits.values():
        found = ", ".join(sorted({split for split in splits.values() if split}))
        raise UserError(f"prepare.source = {source}: has a split {found} but none whose name starts with train")
    files = [SourceFile(path, split) for path, split in splits.items() if split]
    return files, [path for path, split in splits.items() if not split]


def _split_of(relative: Path) -> str | None:
    for part in reversed(relative.parts):
        word = _FIRST_WORD.match(part)
        if word and word.group().lower() in _SPLIT_NAMES:
            return _SPLIT_NAMES[word.group().lower()]
    return None


def read_rows(path: Path) -> Iterator[Row]:
    """Read a file row by row.

    Parameters
    ----------
    path : Path
        A .jsonl, .csv (with a header) or .parquet file, text in UTF-8.

    Yields
    ------
    Row
        In the file's order; blank lines of a jsonl file are passed over.

    Raises
    ------
    UserError
        Where a line cannot be read: file, line, what is wrong.
    """
    readers = {".jsonl": _read_jsonl, ".csv": _read_csv, ".parquet": _read_parquet}
    return readers[path.suffix](path)


def read_tables(path: Path) -> Iterator[pa.Table]:
    """Read a file as it is, in tables of at most 8192 rows.

    Parameters
    ----------
    path : Path
        As for `read_rows`.

    Yields
    ------
    pyarrow.Table
        A column for each name that occurs in these rows, null where a row lacks it.

    Raises
    ------
    UserError
        As for `read_rows`, and where a column changes its type.
    """
    if path.suffix == ".parquet":
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=_TABLE_ROWS):
                    yield pa.Table.from_batches([batch])
        except pa.ArrowException as error:
            raise UserError(f"{path}: not a readable parquet file ({error})") from None
        return
    rows = read_rows(path)
    while block := list(islice(rows, _TABLE_ROWS)):
        names = dict.fromkeys(name for row in block for name in row.values)
        numbers = [row.number for row in block]
        yield pa.table({name: to_array([row.values.get(name) for row in block], name, numbers, path) for name in names})


def to_array(values: list[Any], name: str, numbers: list[int], path: Path) -> pa.Array:
    """Make an Arrow array of a column's values.

    Parameters
    ----------
    values : list
        One a row; None where there is none.
    name : str
        The column's.
    numbers : list of int
        Line of each row.
    path : Path
        The file, for the error.

    Raises
    ------
    UserError
        Where the values are of several types: file, line, column and value.
    """
    try:
        return pa.array(values)
    except pa.ArrowException:
        first = next(value for value in values if value is not None)
        odd = next((i for i, value in enumerate(values) if value is not None and type(value) is not type(first)), 0)
        raise UserError(
            f"{path}, line {numbers[odd]}: column {name!r} has the value {values[odd]!r} where earlier rows have "
            f"{type(first).__name__} values like {first!r}"
        ) from None


def count_rows(path: Path) -> int:
    """Count a file's rows: exactly in parquet, by its lines elsewhere."""
    if path.suffix == ".parquet":
        try:
            return int(pq.read_metadata(path).num_rows)
        except pa.ArrowException as error:
            raise UserError(f"{path}: not a readable parquet file ({error})") from None
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def _read_jsonl(path: Path) -> Iterator[Row]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                values = json.loads(_decode(line, path, number))
            except json.JSONDecodeError as error:
                raise UserError(f"{path}, line {number}: not JSON ({error.msg}, column {error.colno})") from None
            if not isinstance(values, dict):
                raise UserError(f"{path}, line {number}: must be a JSON object with named fields, is {type(values).__name__}")
            yield Row(number, values)


def _decode(line: bytes, path: Path, number: int) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}, line {number}: not UTF-8 (byte {error.start + 1} of the line); convert the file to UTF-8") from None


def _read_csv(path: Path) -> Iterator[Row]:
    csv.field_size_limit(_CSV_FIELD_LIMIT)

    def decoded() -> Iterator[str]:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                yield _decode(line, path, number)

    reader = csv.reader(decoded(), strict=True)
    try:
        header = next(reader, None)
        if header is None:
            raise UserError(f"{path}: empty, without a header")
        if len(set(header)) != len(header):
            raise UserError(f"{path}, line 1: a column name stands twice in {header}")
        first_line = reader.line_num + 1
        for cells in reader:
            if cells:
                if len(cells) != len(header):
                    raise UserError(f"{path}, line {first_line}: {len(cells)} cells where the header has {len(header)}")
                yield Row(first_line, dict(zip(header, cells, strict=True)))
            first_line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: broken csv ({error})") from None


def _read_parquet(path: Path) -> Iterator[Row]:
    try:
        with pq.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=4096):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(number, values)
    except pa.ArrowException as error:
        raise UserError(f"{path}: not a readable parquet file ({error})") from None
