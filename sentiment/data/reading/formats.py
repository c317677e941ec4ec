"""Reading labelled text: jsonl, json, csv, tsv (also compressed), xlsx, parquet, and folders of text files."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sentiment.data.reading.delimited import Told, read_delimited
from sentiment.data.reading.encodings import encoding_of
from sentiment.data.reading.json_files import read_json_file, read_json_lines
from sentiment.data.reading.raw_lines import OPENERS, UTF_8, Bad, count_lines, lines_of, refuse
from sentiment.data.reading.spreadsheets import read_sheet
from sentiment.terminal.errors import UserError

LINE_KINDS = (".jsonl", ".csv", ".tsv", ".tab", ".json")
PARQUET = ".parquet"
SHEET = ".xlsx"
KINDS = (*LINE_KINDS, SHEET, PARQUET)
TEXT_FILE = ".txt"

_READ_BUFFER = 1024 * 1024  # bytes of a parquet column at a time: else whole row groups are held
_TABLE_ROWS = 8192
_NOTHING_TOLD = Told()


@dataclass(frozen=True)
class SourceRow:
    """One row of a source.

    Attributes
    ----------
    number : int
        Line number, row number in parquet and xlsx, number of the object in a json file or of the text file in its folder, from 1.
    values : dict
        Column name to value.
    """

    number: int
    values: dict[str, Any]


def kind_of(path: Path) -> str | None:
    """Return a file's kind by its name (``.jsonl`` also for ``x.jsonl.gz``, ``.tsv`` for ``x.tab``), None where it is none of `KINDS`."""
    name = path.with_suffix("") if path.suffix in OPENERS else path
    if name.suffix in LINE_KINDS or (name.suffix in (PARQUET, SHEET) and name == path):
        return ".tsv" if name.suffix == ".tab" else name.suffix
    return None


def read_lines(path: Path, bad: Bad = refuse, encoding: str = UTF_8) -> Iterator[SourceRow]:
    """Read a text file, one text a line, as rows with the column text; `bad` as for `read_rows`."""
    for number, line in lines_of(path, bad, encoding):
        yield SourceRow(number, {"text": line.rstrip("\r\n")})


def read_rows(path: Path, bad: Bad = refuse, told: Told = _NOTHING_TOLD) -> Iterator[SourceRow]:
    """Read a file, or a folder of text files, row by row.

    Parameters
    ----------
    path : Path
        A file of one of `KINDS`; or a ``.txt`` file, each line of which is a row with the columns text and label (the file's
        name). Or a folder: each text file in it is a row with the columns text, label (the folder's name) and name.
    bad : callable, optional
        Called with the error of a line that cannot be read; where it returns, the line is passed over.
    told : Told, optional
        What a user says of it. Encoding and delimiter are found out where nothing is said.

    Yields
    ------
    SourceRow
        In the file's order, text files in the order of their names; blank lines of a jsonl file
        are passed over.

    Raises
    ------
    UserError
        Where a line cannot be read (file, line, what is wrong), is longer than 16 MiB, or the file
        changes while it is read.
    """
    if path.is_dir():
        yield from _read_folder(path, bad, told)
        return
    before = path.stat()
    kind = kind_of(path)
    if kind == PARQUET:
        rows = _read_parquet(path)
    elif kind == SHEET:
        rows = read_sheet(path, told.header)
    elif kind == ".json":
        rows = read_json_file(path, bad, told.encoding)
    elif kind == ".jsonl":
        rows = read_json_lines(path, bad, told.encoding)
    elif path.suffix == TEXT_FILE:
        rows = _read_text_lines(path, bad, told)
    else:
        rows = read_delimited(path, bad, kind == ".tsv", told)
    for number, values in rows:
        yield SourceRow(number, values)
    after = path.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise UserError(f"{path}: changed while it was read: run this again once nothing writes to it any more")


def read_tables(path: Path, told: Told = _NOTHING_TOLD) -> Iterator[pa.Table]:
    """Read a file as it is, in tables of at most 8192 rows.

    Parameters
    ----------
    path, told : Path, Told
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
    if kind_of(path) == PARQUET:
        for batch in _batches(path, _TABLE_ROWS):
            yield pa.Table.from_batches([batch])
        return
    rows = read_rows(path, told=told)
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
    except (pa.ArrowException, OverflowError, UnicodeEncodeError):
        present = [(value, number) for value, number in zip(values, numbers, strict=True) if value is not None]
        first = present[0][0]
        for value, number in present:
            where = f"{path}, line {number}: column {name!r}"
            if type(value) is not type(first):
                told = f"{type(first).__name__} values like {first!r}"
                raise UserError(f"{where} has the value {value!r} where earlier rows have {told}") from None
            if not _fits(value):
                raise UserError(f"{where} has a value that cannot be kept (too large a number, half an emoji, or lists of mixed kinds)") from None
        raise UserError(f"{path}: column {name!r} holds lists or objects of different kinds: make them alike, or leave the column out") from None


def _fits(value: Any) -> bool:
    try:
        pa.array([value])
    except (pa.ArrowException, OverflowError, UnicodeEncodeError):
        return False
    return True


def place(path: Path) -> str:
    """Return how errors say where a row stands, without its number: ``data/x.csv, line``."""
    units = {PARQUET: "row", SHEET: "row", ".json": "item"}
    return f"{path}, {'text file' if path.is_dir() else units.get(kind_of(path) or '', 'line')}"


def count_rows(path: Path) -> int:
    """Count rows for a progress bar: exactly in parquet and folders, by lines elsewhere."""
    if path.is_dir():
        return len(text_files(path))
    if kind_of(path) == PARQUET:
        try:
            return int(pq.read_metadata(path).num_rows)
        except pa.ArrowException as error:
            raise UserError(f"{path}: not a readable parquet file ({error})") from None
    return count_lines(path)


def text_files(folder: Path) -> list[Path]:
    """Return the text files right in a folder: ``*.txt``, or where there is none those whose names have no suffix (``51121``)."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return [path for path in files if path.suffix == TEXT_FILE] or [path for path in files if not path.suffix.strip(".0123456789")]


def _read_parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    for batch in _batches(path, _TABLE_ROWS // 2):
        for values in batch.to_pylist():
            number += 1
            yield number, values


def _batches(path: Path, size: int) -> Iterator[pa.RecordBatch]:
    try:
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=_READ_BUFFER) as file:
            names = file.schema_arrow.names
            if len(set(names)) < len(names):
                raise UserError(f"{path}: a column name occurs twice in {names}: rename one")
            yield from file.iter_batches(batch_size=size)
    except pa.ArrowException as error:
        raise UserError(f"{path}: not a readable parquet file ({error})") from None


def _read_text_lines(path: Path, bad: Bad, told: Told) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in lines_of(path, bad, told.encoding or encoding_of(path)):
        if line.strip():
            yield number, {"text": line.rstrip("\r\n"), "label": path.stem}


def _read_folder(folder: Path, bad: Bad, told: Told) -> Iterator[SourceRow]:
    for number, path in enumerate(text_files(folder), start=1):
        encoding = told.encoding or encoding_of(path)
        try:
            text = path.read_bytes().decode("utf-8-sig" if encoding == "utf-8" else encoding)
        except UnicodeDecodeError as error:
            advice = "convert it to UTF-8, or name its encoding: python -m sentiment fetch --encoding NAME (cp1252, …)"
            bad(UserError(f"{path}: not {encoding.upper()} (byte {error.start} of the file); {advice}"))
            continue
        yield SourceRow(number, {"text": text, "label": folder.name, "name": path.stem})
