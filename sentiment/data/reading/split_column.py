"""A column that says which split a row belongs to."""

from collections import defaultdict
from dataclasses import replace

from sentiment.data.reading.columns import cell
from sentiment.data.reading.formats import place, read_rows
from sentiment.data.reading.label_codes import label_text
from sentiment.data.reading.sources import SourceFile, split_named
from sentiment.terminal.errors import UserError
from sentiment.terminal.progress import say

_PARAMETER = "prepare.split_column"
_MOST_VALUES = 20


def by_column(files: list[SourceFile], column: str) -> list[SourceFile]:
    """Divide a source's files by what a column says.

    Parameters
    ----------
    files : list of SourceFile
        All of them; what their names say of splits is not looked at.
    column : str
        Its values begin with train, validation (valid, val, dev) or test.

    Returns
    -------
    list of SourceFile
        Each file once for each split that occurs in it. Rows whose value names no split are in none: a line says how many.

    Raises
    ------
    UserError
        Where the column is missing, no value is train, or there are more than twenty values.
    """
    found: list[SourceFile] = []
    others: dict[str, int] = defaultdict(int)
    for file in files:
        values: dict[str, set[str]] = defaultdict(set)
        for row in read_rows(file.path):
            value = label_text(cell(row.values, column, _PARAMETER, f"{place(file.path)} {row.number}")) or ""
            split = split_named(value)
            if split is None:
                others[value] += 1
            else:
                values[split].add(value)
            if len(others) > _MOST_VALUES:
                raise UserError(f"{_PARAMETER} = {column}: more than {_MOST_VALUES} values that name no split, like {value!r}: is it this column?")
        found.extend(replace(file, split=split, only=(column, frozenset(names))) for split, names in sorted(values.items()))
    if "train" not in {file.split for file in found}:
        raise UserError(f"{_PARAMETER} = {column}: no row says train")
    for value, rows in others.items():
        say(f"prepare: left out {rows:,} rows whose {column} is {value!r}: neither train, validation nor test")
    return found
