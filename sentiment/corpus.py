"""Reading labelled text into one form: id, text, label, group, and the source's other columns."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from sentiment.errors import UserError
from sentiment.formats import PARQUET, Row, kind_of, read_rows, to_array
from sentiment.labels import LabelCoder
from sentiment.leakage import RAW_KEY
from sentiment.sources import SourceFile
from sentiment.tables import CORE_COLUMNS
from sentiment.text import clean, key

_BATCH_ROWS = 8192
_CORE_TYPES = {"id": pa.string(), "text": pa.string(), "label": pa.int32(), "group": pa.string(), RAW_KEY: pa.uint64()}


@dataclass(frozen=True)
class Columns:
    """Which columns of a source hold what, and how its text is cleaned.

    Attributes
    ----------
    text, label : str
        Column names.
    group : str or None
        The column whose values must not be torn apart.
    class_names : list of str
        What labels may be.
    strip_html : bool
        Remove HTML from the text.
    """

    text: str
    label: str
    group: str | None
    class_names: list[str]
    strip_html: bool


def read_corpus(files: list[SourceFile], columns: Columns) -> pa.Table:
    """Read the files of one split into one table.

    Parameters
    ----------
    files : list of SourceFile
        At least one.
    columns : Columns
        What stands where.

    Returns
    -------
    pyarrow.Table
        id (the source's own where it has a column of that name, else the file's name and row number),
        text (cleaned), label (int32), group (string; null where there is none), the digest of the
        text as it was before cleaning (`RAW_KEY`, not to be written out), then the source's
        other columns. One that bears a name from this list is kept as ``source_<name>``.

    Raises
    ------
    UserError
        Where a row lacks a column, a label is unknown, a group is missing, an id stands twice, or a
        column changes its type: file, line and value.
    """
    coder = LabelCoder(columns.class_names)
    batches = [batch for file in files for batch in _read_file(file, columns, coder)]
    try:
        table = pa.concat_tables(batches, promote_options="permissive") if batches else _empty_table()
    except pa.ArrowException as error:
        raise UserError(f"{files[0].path.parent}: the files' columns have types that do not go together ({error})") from None
    ids = table.column("id").to_pylist()
    if len(set(ids)) != len(ids):
        seen: set[str] = set()
        double = next(name for name in ids if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise UserError(f"{files[0].path}: the id {double!r} stands twice: ids must be unique within a split")
    return table.combine_chunks()


def _empty_table() -> pa.Table:
    return pa.table({name: pa.array([], type=kind) for name, kind in _CORE_TYPES.items()})


def _read_file(file: SourceFile, columns: Columns, coder: LabelCoder) -> Iterator[pa.Table]:
    core: dict[str, list[Any]] = {name: [] for name in _CORE_TYPES}
    others: dict[str, list[Any]] = {}
    numbers: list[int] = []
    rows = 0
    path = file.path
    for row in read_rows(path):
        where = _where(path, row)
        for name in (columns.text, columns.label, columns.group):
            if name is not None and name not in row.values:
                raise UserError(f"{where}: no column {name!r}; found {', '.join(map(str, row.values))}")
        core["id"].append(_id(row, file, where))
        text = _text(row.values[columns.text], where)
        core["text"].append(clean(text, columns.strip_html))
        core[RAW_KEY].append(key(text))
        core["label"].append(coder.encode(row.values[columns.label], where))
        core["group"].append(_group(row.values[columns.group], columns.group, where) if columns.group else None)
        _append_others(others, row, columns, len(numbers))
        numbers.append(row.number)
        if len(numbers) == _BATCH_ROWS:
            yield _table(core, others, numbers, path)
            rows += len(numbers)
            core, others, numbers = {name: [] for name in _CORE_TYPES}, {}, []
    if numbers:
        yield _table(core, others, numbers, path)
    if not rows + len(numbers):
        raise UserError(f"{path}: holds no rows: write it again, or remove it")


def _append_others(others: dict[str, list[Any]], row: Row, columns: Columns, position: int) -> None:
    for name, value in row.values.items():
        if name in (columns.text, columns.label, columns.group, "id"):
            continue
        kept = f"source_{name}" if name in CORE_COLUMNS else str(name)
        if kept != name and kept in row.values:
            raise UserError(f"the source has the columns {name!r} and {kept!r}, and the first would be kept under the second's name: rename one")
        others.setdefault(kept, [None] * position).append(value)
    for values in others.values():
        if len(values) == position:
            values.append(None)


def _where(path: Path, row: Row) -> str:
    place = "row" if kind_of(path) == PARQUET else "text file" if path.is_dir() else "line"
    return f"{path}, {place} {row.number}"


def _id(row: Row, file: SourceFile, where: str) -> str:
    value = row.values.get("id")
    return _whole(str(value), "id", where) if value is not None else f"{file.name or file.path.stem}-{row.number:06d}"


def _text(value: Any, where: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UserError(f"{where}: the text is {value!r}, not a string")
    return _whole(value, "text", where)


def _whole(value: str, what: str, where: str) -> str:
    # JSON can spell half of a character outside the basic plane ("\\ud83d"), which no encoding can write.
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(f"{where}: the {what} holds half a character ({value[error.start]!r}): an emoji was cut in two; remove it") from None
    return value


def _group(value: Any, column: str, where: str) -> str:
    if value is None or value == "":
        raise UserError(f"{where}: no value in the group column {column!r}: give every row one, or set prepare.group_column to null")
    return _whole(str(value), "group", where)


def _table(core: dict[str, list[Any]], others: dict[str, list[Any]], numbers: list[int], path: Path) -> pa.Table:
    arrays = {name: pa.array(core[name], type=_CORE_TYPES[name]) for name in _CORE_TYPES}
    for name, values in others.items():
        arrays[name] = to_array(values, name, numbers, path)
    return pa.table(arrays)
