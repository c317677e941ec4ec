"""Reading labelled text: jsonl, csv, tsv (also compressed), parquet, and folders of one text file a review."""

import bz2
import csv
import gzip
import json
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from sentiment.terminal.errors import UserError

LINE_KINDS = (".jsonl", ".csv", ".tsv")
PARQUET = ".parquet"
KINDS = (*LINE_KINDS, PARQUET)
TEXT_FILE = ".txt"

Bad = Callable[[UserError], None]  # what is done with a row that cannot be read

_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError)
_LONGEST_LINE = 16 * 1024 * 1024  # bytes; the longest review of IMDB has 14,000
_READ_BUFFER = 1024 * 1024  # bytes of a parquet column at a time: else whole row groups are held
_TABLE_ROWS = 8192


@dataclass(frozen=True)
class SourceRow:
    """One row of a source.

    Attributes
    ----------
    number : int
        Line number, row number in parquet, or number of the text file in its folder, from 1.
    values : dict
        Column name to value.
    """

    number: int
    values: dict[str, Any]


def kind_of(path: Path) -> str | None:
    """Return a file's kind by its name (``.jsonl`` also for ``x.jsonl.gz``), None where it is none of `KINDS`."""
    name = path.with_suffix("") if path.suffix in _OPENERS else path
    if name.suffix in LINE_KINDS or (name.suffix == PARQUET and name == path):
        return name.suffix
    return None


def refuse(error: UserError) -> None:
    """Raise the error: a row that cannot be read ends the reading."""
    raise error


def read_lines(path: Path, bad: Bad = refuse) -> Iterator[SourceRow]:
    """Read a text file in UTF-8, one text a line, as rows with the column text; `bad` as for `read_rows`."""
    for number, line in _lines(path, bad):
        yield SourceRow(number, {"text": line.rstrip("\r\n")})


def read_rows(path: Path, bad: Bad = refuse) -> Iterator[SourceRow]:
    """Read a file, or a folder of text files, row by row.

    Parameters
    ----------
    path : Path
        A file of one of `KINDS`, its text in UTF-8, csv and tsv with a header. Or a folder: each
        ``.txt`` file in it is a row with the columns text, label (the folder's name) and name.
    bad : callable, optional
        Called with the error of a line that cannot be read; where it returns, the line is passed over.

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
        yield from _read_folder(path, bad)
        return
    before = path.stat()
    readers: dict[str, Callable[[Path, Bad], Iterator[SourceRow]]] = {
        ".jsonl": _read_jsonl,
        ".csv": _read_csv,
        ".tsv": _read_csv,
        PARQUET: _read_parquet,
    }
    yield from readers[kind_of(path) or ""](path, bad)
    after = path.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise UserError(f"{path}: changed while it was read: run this again once nothing writes to it any more")


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
    if kind_of(path) == PARQUET:
        for batch in _batches(path, _TABLE_ROWS):
            yield pa.Table.from_batches([batch])
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
    return f"{path}, {'row' if kind_of(path) == PARQUET else 'text file' if path.is_dir() else 'line'}"


def count_rows(path: Path) -> int:
    """Count rows for a progress bar: exactly in parquet and folders, by lines elsewhere."""
    if path.is_dir():
        return sum(1 for _ in path.glob(f"*{TEXT_FILE}"))
    if kind_of(path) == PARQUET:
        try:
            return int(pq.read_metadata(path).num_rows)
        except pa.ArrowException as error:
            raise UserError(f"{path}: not a readable parquet file ({error})") from None
    try:
        with _open(path) as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    except _DAMAGED as error:
        raise _damaged(path, error) from None


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, _OPENERS[path.suffix](path, "rb") if path.suffix in _OPENERS else path.open("rb"))


def _damaged(path: Path, error: BaseException) -> Exception:
    if path.suffix in _OPENERS:
        return UserError(f"{path}: cannot be decompressed ({error}): the file is damaged or not what its name says")
    return error if isinstance(error, Exception) else UserError(str(error))


def _lines(path: Path, bad: Bad) -> Iterator[tuple[int, str]]:
    offset = 0
    try:
        with _open(path) as file:
            number = 0
            while line := file.readline(_LONGEST_LINE + 1):
                number += 1
                if len(line) > _LONGEST_LINE:
                    raise UserError(
                        f"{path}, line {number}: longer than {_LONGEST_LINE // 2**20} MiB: one row a line is expected (is it one JSON array?)"
                    )
                offset += len(line)
                try:
                    text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    first = offset - len(line) + error.start
                    bad(UserError(f"{path}, line {number}: not UTF-8 (byte {first} of the file); convert it to UTF-8"))
                    continue
                yield number, text
    except _DAMAGED as error:
        raise _damaged(path, error) from None


def _read_jsonl(path: Path, bad: Bad) -> Iterator[SourceRow]:
    for number, line in _lines(path, bad):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except json.JSONDecodeError as error:
            bad(UserError(f"{path}, line {number}: not JSON ({error.msg}, column {error.colno})"))
        except (RecursionError, ValueError):
            bad(UserError(f"{path}, line {number}: not JSON that can be read (nested too deeply, or a number of thousands of digits)"))
        else:
            if isinstance(values, dict):
                yield SourceRow(number, values)
            else:
                bad(UserError(f"{path}, line {number}: must be a JSON object with named fields, is {type(values).__name__}"))


def _read_csv(path: Path, bad: Bad) -> Iterator[SourceRow]:
    csv.field_size_limit(_LONGEST_LINE)
    delimiter = "\t" if kind_of(path) == ".tsv" else ","
    reader = csv.reader((line for _, line in _lines(path, bad)), strict=True, delimiter=delimiter)
    first_line = 1
    try:
        header = next(reader, None)
        if header is None:
            return
        if not any(name.strip() for name in header):
            raise UserError(f"{path}, line 1: blank, where the names of the columns are expected: remove it, or write the header there")
        if len(set(header)) != len(header):
            raise UserError(f"{path}, line 1: a column name stands twice in {header}")
        first_line = reader.line_num + 1
        for cells in reader:
            if cells and len(cells) != len(header):
                bad(UserError(f"{path}, line {first_line}: {len(cells)} cells where the header has {len(header)}"))
            elif cells:
                yield SourceRow(first_line, dict(zip(header, cells, strict=True)))
            first_line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}, line {first_line}: broken csv ({error}): check the quotes of the row that begins there") from None


def _read_parquet(path: Path, _: Bad) -> Iterator[SourceRow]:
    number = 0
    for batch in _batches(path, _TABLE_ROWS // 2):
        for values in batch.to_pylist():
            number += 1
            yield SourceRow(number, values)


def _batches(path: Path, size: int) -> Iterator[pa.RecordBatch]:
    try:
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=_READ_BUFFER) as file:
            yield from file.iter_batches(batch_size=size)
    except pa.ArrowException as error:
        raise UserError(f"{path}: not a readable parquet file ({error})") from None


def _read_folder(folder: Path, bad: Bad) -> Iterator[SourceRow]:
    for number, path in enumerate(sorted(folder.glob(f"*{TEXT_FILE}")), start=1):
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            bad(UserError(f"{path}: not UTF-8 (byte {error.start} of the file); convert it to UTF-8"))
            continue
        yield SourceRow(number, {"text": text, "label": folder.name, "name": path.stem})
