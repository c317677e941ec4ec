"""Reading labelled text into one form: id, text, label, group, and the source's other columns."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from sentiment.core.tables import CORE_COLUMNS
from sentiment.data.reading.cleaning import clean, key
from sentiment.data.reading.columns import cell
from sentiment.data.reading.formats import place, read_rows, to_array
from sentiment.data.reading.label_codes import LabelCoder, LabelRules, label_text
from sentiment.data.reading.sources import SourceFile
from sentiment.terminal.errors import UserError, shown

UNIQUE_IDS = "ids must be unique within a split; where the column holds no ids, set prepare.id_column to null"
RAW_KEY = "raw_key"  # a column: the digest of each text as it was before cleaning

_BLOCK_ROWS = 8192
_BLOCK_CHARACTERS = 16 * 1024 * 1024  # of all texts together; 8192 reviews of IMDB have 10 million
_CORE_TYPES = {"id": pa.string(), "text": pa.string(), "label": pa.int32(), "group": pa.string(), RAW_KEY: pa.uint64()}


@dataclass(frozen=True)
class Columns:
    """Which columns of a source hold what, and how its text is cleaned.

    Attributes
    ----------
    text : str or list of str
        The column of the text, or several that are joined, line by line.
    label : str
        The column of the label.
    group : str or None
        The column whose values must not be torn apart.
    class_names : list of str
        What labels may be.
    strip_html : bool
        Remove HTML from the text.
    labels_are_names : bool
        Also a number is a class name, and no index.
    id : str or None
        The column of ids; ``id`` counts where it is there.
    rules : LabelRules
        What is done to labels before they name a class.
    all_names : list of str or None
        `class_names` with those that are left out.
    """

    text: str | list[str]
    label: str
    group: str | None
    class_names: list[str]
    strip_html: bool
    labels_are_names: bool = False
    id: str | None = "id"
    rules: LabelRules = field(default_factory=LabelRules)
    all_names: list[str] | None = None

    @property
    def texts(self) -> list[str]:
        """The columns of the text."""
        return [self.text] if isinstance(self.text, str) else self.text


@dataclass(frozen=True)
class Block:
    """Consecutive rows of one file, as they were read.

    Attributes
    ----------
    file : SourceFile
        The file.
    first_label : tuple of (value, str)
        The first label of the whole split, and where it stands.
    numbers : list of int
        Each row's number in the file.
    values : list of dict
        Each row's columns.
    """

    file: SourceFile
    first_label: tuple[Any, str]
    numbers: list[int] = field(default_factory=list)
    values: list[dict[str, Any]] = field(default_factory=list)


def read_corpus(files: list[SourceFile], columns: Columns) -> pa.Table:
    """Read the files of one split into one table: for a source that is small enough for memory.

    Parameters
    ----------
    files : list of SourceFile
        At least one.
    columns : Columns
        What stands where.

    Returns
    -------
    pyarrow.Table
        As from `to_table`.

    Raises
    ------
    UserError
        As from `read_blocks` and `to_table`, and where a column changes its type or an id occurs twice.
    """
    try:
        table = pa.concat_tables([to_table(block, columns) for block in read_blocks(files, columns)], promote_options="permissive")
    except pa.ArrowException as error:
        raise UserError(f"{files[0].path.parent}: the files' columns have types that do not go together ({error})") from None
    ids = table.column("id").to_pylist()
    if len(set(ids)) != len(ids):
        seen: set[str] = set()
        double = next(name for name in ids if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise UserError(f"{files[0].path}: the id {double!r} occurs twice: {UNIQUE_IDS}")
    return table.combine_chunks()


def read_blocks(files: list[SourceFile], columns: Columns) -> Iterator[Block]:
    """Read the files of one split in blocks of at most 8192 rows.

    Parameters
    ----------
    files : list of SourceFile
        At least one.
    columns : Columns
        What stands where.

    Yields
    ------
    Block
        The files' rows in order. A block holds no more than its last text over 16 million characters.

    Raises
    ------
    UserError
        Where a file cannot be read or holds no rows.
    """
    first: tuple[Any, str] | None = None
    for file in files:
        block: Block | None = None
        characters = 0
        for row in read_rows(file.path):
            if file.only is not None and label_text(row.values.get(file.only[0])) not in file.only[1]:
                continue
            if first is None or label_text(first[0]) is None:
                first = (row.values.get(columns.label), f"{place(file.path)} {row.number}")
            block = block or Block(file, first)
            block.numbers.append(row.number)
            block.values.append(row.values)
            characters += sum(len(value) for value in row.values.values() if isinstance(value, str))
            if len(block.numbers) == _BLOCK_ROWS or characters >= _BLOCK_CHARACTERS:
                yield block
                block, characters = Block(file, first), 0
        if block is None:
            raise UserError(f"{file.path}: holds no rows: write it again, or remove it")
        if block.numbers:
            yield block


def to_table(block: Block, columns: Columns) -> pa.Table:
    """Bring rows into the form that all stages share.

    Parameters
    ----------
    block : Block
        The rows.
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
        Where a row lacks a column, a label is unknown, a group is missing, or a column changes its
        type: file, line and value.
    """
    coder = LabelCoder(columns.class_names, columns.labels_are_names, block.first_label, columns.rules, columns.all_names)
    core: dict[str, list[Any]] = {name: [] for name in _CORE_TYPES}
    others: dict[str, list[Any]] = {}
    start = place(block.file.path)
    for position, (number, values) in enumerate(zip(block.numbers, block.values, strict=True)):
        where = f"{start} {number}"
        core["id"].append(_id(values, columns.id, block.file, number, where))
        text = _joined_text(values, columns, where)
        core["text"].append(clean(text, columns.strip_html))
        core[RAW_KEY].append(key(text))
        core["label"].append(coder.encode(cell(values, columns.label, "prepare.label_column", where), where))
        core["group"].append(_group(values, columns.group, where) if columns.group else None)
        _append_others(others, values, columns, position)
    arrays = {name: pa.array(core[name], type=_CORE_TYPES[name]) for name in _CORE_TYPES}
    for name, other in others.items():
        arrays[name] = to_array(other, name, block.numbers, block.file.path)
    return pa.table(arrays)


def _append_others(others: dict[str, list[Any]], row: dict[str, Any], columns: Columns, position: int) -> None:
    for name, value in row.items():
        if name in (*columns.texts, columns.label, columns.group, columns.id):
            continue
        kept = f"source_{name}" if name in CORE_COLUMNS else str(name)
        if kept != name and kept in row:
            raise UserError(f"the source has the columns {name!r} and {kept!r}, and the first would be kept under the second's name: rename one")
        others.setdefault(kept, [None] * position).append(value)
    for values in others.values():
        if len(values) == position:
            values.append(None)


def _id(row: dict[str, Any], column: str | None, file: SourceFile, number: int, where: str) -> str:
    value = None if column is None else row.get(column) if column == "id" else cell(row, column, "prepare.id_column", where)
    return _whole(str(value), "id", where) if value is not None else f"{file.name or file.path.stem}-{number:06d}"


def _joined_text(row: dict[str, Any], columns: Columns, where: str) -> str:
    parts = [_text(cell(row, name, "prepare.text_column", where), where) for name in columns.texts]
    return parts[0] if len(parts) == 1 else "\n".join(part for part in parts if part.strip())


def _text(value: Any, where: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UserError(f"{where}: the text is {shown(value)}, not a string")
    return _whole(value, "text", where)


def _whole(value: str, what: str, where: str) -> str:
    # JSON can spell half of a character outside the basic plane ("\\ud83d"), which no encoding can write.
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(f"{where}: the {what} holds half a character ({value[error.start]!r}): an emoji was cut in two; remove it") from None
    return value


def _group(row: dict[str, Any], column: str, where: str) -> str:
    value = cell(row, column, "prepare.group_column", where)
    if value is None or value == "":
        raise UserError(f"{where}: no value in the group column {column!r}: give every row one, or set prepare.group_column to null")
    return _whole(str(value), "group", where)
