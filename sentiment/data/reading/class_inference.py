"""The classes of a source: those that params.yaml names, or what its labels say."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sentiment.data.reading.columns import cell
from sentiment.data.reading.formats import PARQUET, kind_of, place, read_rows
from sentiment.data.reading.label_codes import LabelRules, label_text, unwrap
from sentiment.data.reading.sources import SourceFile
from sentiment.terminal.errors import UserError, shown
from sentiment.terminal.progress import say

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
    all_names : list of str or None
        The names with those that are left out, which an index counts from; None where none is.
    """

    names: list[str]
    labels_are_names: bool
    all_names: list[str] | None = None


def named_classes(names: list[str], rules: LabelRules, labels_are_names: bool = False) -> Classes:
    """Return the classes of these names, without those that are left out or renamed.

    Raises
    ------
    UserError
        Where fewer than two are left.
    """
    gone = {*rules.left_out, *(name for name in rules.renamed if name not in rules.renamed.values())}
    kept = [name for name in names if name not in gone]
    if len(kept) < 2:
        raise UserError(f"prepare.drop_classes and label_map leave {', '.join(kept) or 'no class'}: a classifier needs two classes")
    return Classes(kept, labels_are_names, names if len(kept) < len(names) else None)


def find_classes(files: list[SourceFile], label_column: str, rules: LabelRules | None = None) -> Classes:
    """Find the classes of a source that nobody named.

    Parameters
    ----------
    files : list of SourceFile
        All of them.
    label_column : str
        The column of the label.
    rules : LabelRules, optional
        What is renamed, left out and skipped.

    Returns
    -------
    Classes
        The names that the Hub's parquet files bear for this column, where they do. Else the distinct
        labels: in the order of numbers where all are whole numbers, else in that of their characters.

    Raises
    ------
    UserError
        Where a label is missing, no name (a fraction, a list), or the only one there is, and
        where there are more than 1,000: such a column holds no classes.
    """
    rules = rules or LabelRules()
    names = _declared(files, label_column)
    if names and not rules.renamed:
        return named_classes(names, rules)
    found: set[str] = set()
    for file in files:
        for row in read_rows(file.path):
            where = f"{place(file.path)} {row.number}"
            name = _name(cell(row.values, label_column, "prepare.label_column", where), where, rules, names)
            if name is not None:
                found.add(name)
            if len(found) > MOST_CLASSES:
                raise UserError(
                    f"{where}: the column {label_column!r} has more than {MOST_CLASSES:,} different labels: "
                    "name another one in prepare.label_column, or the classes in prepare.class_names"
                )
    if len(found) < 2:
        only = f"only the label {shown(next(iter(found)))}" if found else "no label"
        raise UserError(f"{files[0].path.parent}: {only} was found: a classifier needs two classes (or name them in prepare.class_names)")
    if unknown := [name for name in rules.left_out if name not in found]:
        raise UserError(f"prepare.drop_classes: no label {unknown[0]!r} occurs; the labels are {', '.join(_in_order(found)[:20])}")
    _hint_at_spellings(found)
    kept = named_classes(_in_order(found), LabelRules(left_out=rules.left_out), labels_are_names=True)
    return Classes(kept.names, labels_are_names=False, all_names=names) if names else kept


def _hint_at_spellings(found: set[str]) -> None:
    alike: dict[str, list[str]] = defaultdict(list)
    for name in sorted(found):
        alike[name.casefold()].append(name)
    for names in alike.values():
        if len(names) > 1:
            say(
                f"prepare: the classes {', '.join(names)} differ in case alone: if they are one, fold them in params.yaml: "
                f"prepare.label_map={{{names[0]}: {names[-1]}}}"
            )


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


def _name(value: Any, where: str, rules: LabelRules, declared: list[str] | None) -> str | None:
    text = label_text(value)
    if text is None and rules.skip_unlabelled:
        return None
    plain = unwrap(value)
    if text is not None and text in rules.renamed:
        return rules.renamed[text]
    if declared and isinstance(plain, int) and 0 <= plain < len(declared):
        return rules.renamed.get(declared[plain], declared[plain])
    if text is None or not isinstance(plain, str | int | float) or _FRACTION.fullmatch(text):
        kind, advice = ("missing", "write one, set prepare.unlabelled=drop") if text is None else ("neither a name nor a whole number", "correct it")
        raise UserError(f"{where}: label {shown(value)} is {kind}: {advice}, or name the classes in prepare.class_names")
    return text


def _in_order(names: Iterable[str]) -> list[str]:
    if all(_WHOLE_NUMBER.fullmatch(name) for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)
