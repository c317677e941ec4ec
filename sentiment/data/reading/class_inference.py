"""The classes of a source that nobody named: what its labels say."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sentiment.data.reading.formats import PARQUET, kind_of, place, read_rows
from sentiment.data.reading.sources import SourceFile
from sentiment.terminal.errors import UserError, shown

MOST_CLASSES = 1000

_HUB_METADATA = b"huggingface"  # how the library datasets marks a parquet file with its columns' features
_WHOLE_NUMBER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_FRACTION = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+(?=e))(e[+-]?\d+)?|[+-]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Classes:
    """The classes of a corpus.

    Attributes
    ----------
    names : list of str
        The name of class 0, of class 1, and so on.
    labels_are_names : bool
        A number in the label column is one of the names; otherwise it is an index.
    """

    names: list[str]
    labels_are_names: bool


def find_classes(files: list[SourceFile], label_column: str) -> Classes:
    """Find the classes of a source that nobody named.

    Parameters
    ----------
    files : list of SourceFile
        All of them.
    label_column : str
        The column of the label.

    Returns
    -------
    Classes
        The names that the Hub's parquet files bear for this column, where they do. Else the distinct
        labels: in the order of numbers where all are whole numbers, else in that of their characters.

    Raises
    ------
    UserError
        Where a label is missing, no name (a fraction, a truth value), or the only one there is, and
        where there are more than 1,000: such a column holds no classes.
    """
    if names := _declared(files, label_column):
        return Classes(names, labels_are_names=False)
    found: set[str] = set()
    for file in files:
        for row in read_rows(file.path):
            where = f"{place(file.path)} {row.number}"
            if label_column not in row.values:
                raise UserError(f"{where}: no column {label_column!r}; found {', '.join(map(str, row.values))}")
            found.add(_name(row.values[label_column], where))
            if len(found) > MOST_CLASSES:
                raise UserError(
                    f"{where}: the column {label_column!r} has more than {MOST_CLASSES:,} different labels: "
                    "name another one in prepare.label_column, or the classes in prepare.class_names"
                )
    if len(found) < 2:
        only = f"only the label {shown(next(iter(found)))}" if found else "no row"
        raise UserError(f"{files[0].path.parent}: {only} was found: a classifier needs two classes (or name them in prepare.class_names)")
    return Classes(_in_order(found), labels_are_names=True)


def _declared(files: list[SourceFile], label_column: str) -> list[str] | None:
    every = [_declared_by(file.path, label_column) for file in files]
    if any(names != every[0] for names in every):
        raise UserError(f"{files[0].path.parent}: the files name the classes of {label_column!r} differently: say which in prepare.class_names")
    return every[0]


def _declared_by(path: Path, label_column: str) -> list[str] | None:
    if path.is_dir() or kind_of(path) != PARQUET:
        return None
    try:
        metadata = pq.read_schema(path).metadata or {}
        names = json.loads(metadata.get(_HUB_METADATA, b"{}"))["info"]["features"][label_column]["names"]
    except (pa.ArrowException, ValueError, KeyError, TypeError):
        return None
    usable = isinstance(names, list) and len(names) > 1 and all(isinstance(name, str) and name.strip() for name in names)
    return list(names) if usable and len(set(names)) == len(names) else None


def _name(value: Any, where: str) -> str:
    text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not text or (isinstance(value, str) and _FRACTION.fullmatch(text)):
        kind = "missing" if value is None or value == "" else "neither a name nor a whole number"
        raise UserError(f"{where}: label {shown(value)} is {kind}: correct it, or name the classes in prepare.class_names")
    return text


def _in_order(names: Iterable[str]) -> list[str]:
    if all(_WHOLE_NUMBER.fullmatch(name) for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)
