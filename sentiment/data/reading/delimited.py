"""Comma-separated values and their kin: what parts the cells, whether quotes quote, whether the first row is a header."""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from sentiment.data.reading.encodings import encoding_of
from sentiment.data.reading.raw_lines import LONGEST_LINE, UTF_8, Bad, lines_of
from sentiment.terminal.errors import UserError, shown

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_SAMPLE_LINES = 200
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?", re.ASCII)
_LONGEST_NAME = 60
# The second and third row of a table of Orange (orangedatamining.com): the columns' types and roles.
_TYPE = re.compile("|d|discrete|c|continuous|s|string|t|time")
_ROLE = re.compile(r"|((class|meta|ignore|[cmi]|\w+=\S+)\s*)+")
_MANY = 0.2  # share of the rows that repeat a cell of the first one: it is a label


@dataclass(frozen=True)
class Told:
    """What a user says of a file, None where nothing.

    Attributes
    ----------
    encoding : str or None
        Its encoding.
    header : bool or None
        Whether the first row holds the names of the columns.
    """

    encoding: str | None = None
    header: bool | None = None


@dataclass(frozen=True)
class Dialect:
    """How a delimited file is written.

    Attributes
    ----------
    encoding : str
        Of its text.
    delimiter : str
        What parts the cells.
    quoting : bool
        Quotation marks hold a cell together; otherwise they are text.
    """

    encoding: str
    delimiter: str
    quoting: bool

    def differs(self, tabs: bool) -> list[str]:
        """Say in a few words each what is not as usual; empty for UTF-8 with the delimiter of the file's name."""
        words = [] if self.encoding == UTF_8 else [f"in {self.encoding}"]
        if self.delimiter != ("\t" if tabs else ","):
            words.append(f"cells parted by {_DELIMITERS[self.delimiter]}")
        return words if self.quoting else [*words, "quotation marks taken as text"]


def dialect_of(path: Path, tabs: bool, told: Told) -> Dialect:
    """Find out how a file is written.

    Parameters
    ----------
    path : Path
        The file.
    tabs : bool
        Its name says that tabs part the cells.
    told : Told
        What is known of it.
    """
    state = path.stat()
    return _dialect_of(path, tabs, told.encoding or encoding_of(path), told.header is not False, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=1024)
def _dialect_of(path: Path, tabs: bool, encoding: str, header: bool, size: int, changed: int) -> Dialect:
    lines = [line for _, line in islice(lines_of(path, _pass_over, encoding), _SAMPLE_LINES)]
    usual = "\t" if tabs else ","
    scores = {delimiter: _score(lines, delimiter, header) for delimiter in (usual, *_DELIMITERS)}
    best = max(scores, key=lambda delimiter: scores[delimiter])  # the usual one comes first: of two alike it wins
    return Dialect(encoding, best, best != "\t" or not _quotes_are_text(path, encoding))


def _pass_over(_: UserError) -> None:
    pass


def _score(lines: list[str], delimiter: str, header: bool) -> float:
    # The share of rows that are as wide as the header, or where there is none, as most rows are; 0 where that is one cell.
    try:
        rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error:
        return 0.0
    if not rows or (header and any(len(name) > _LONGEST_NAME for name in rows[0])):
        return 0.0
    width, count = Counter(map(len, rows)).most_common(1)[0]
    if header:
        width = len(rows[0])
        count = sum(len(row) == width for row in rows)
    return count / len(rows) if width > 1 else 0.0


def _quotes_are_text(path: Path, encoding: str) -> bool:
    # A cell that begins with a quotation mark and does not end with one on its line, in a file whose every line has all its cells.
    width, loose = None, False
    for _, line in lines_of(path, _pass_over, encoding):
        cells = line.rstrip("\r\n").split("\t")
        if cells == [""]:
            continue
        width = width or len(cells)
        if len(cells) != width:
            return False
        loose = loose or any(_is_loose(cell) for cell in cells if cell.startswith('"'))
    return loose


def _is_loose(cell: str) -> bool:
    return len(cell) < 2 or not cell.endswith('"') or '"' in cell[1:-1].replace('""', "")


def read_delimited(path: Path, bad: Bad, tabs: bool, told: Told) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the line at which each row begins, and its cells by the names of the columns.

    Parameters
    ----------
    path : Path
        The file.
    bad : callable
        Called with the error of a row that has more cells than the header.
    tabs : bool
        As for `dialect_of`.
    told : Told
        Without a header the columns are called ``column_1`` and so on. So is one whose header is empty.

    Yields
    ------
    int, dict of str to (str or None)
        A row that is shorter than the header has None in the columns it lacks.

    Raises
    ------
    UserError
        Where the header or the quotes are broken.
    """
    csv.field_size_limit(LONGEST_LINE)
    dialect = dialect_of(path, tabs, told)
    quoting = csv.QUOTE_MINIMAL if dialect.quoting else csv.QUOTE_NONE
    lines = (line for _, line in lines_of(path, bad, dialect.encoding))
    reader = csv.reader(lines, strict=True, delimiter=dialect.delimiter, quoting=quoting)  # type: ignore[arg-type]
    names: list[str] | None = None
    first_line = 1
    try:
        for line, cells in _rows(reader, ".tab" in path.suffixes):
            if names is None:
                names = _names(path, cells, told)
                if told.header is False:
                    yield line, dict(zip(names, cells, strict=True))
            else:
                while len(cells) > len(names) and not cells[-1].strip():
                    cells.pop()
                if len(cells) > len(names):
                    wide = f"{len(cells)} cells where the header has {len(names)}: quote a cell that holds a {dialect.delimiter!r}"
                    bad(UserError(f"{path}, line {line}: {wide}"))
                else:
                    yield line, {name: cells[index] if index < len(cells) else None for index, name in enumerate(names)}
            first_line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}, line {first_line}: broken csv ({error}): check the quotes of the row that begins there") from None


def _rows(reader: Any, orange: bool) -> Iterator[tuple[int, list[str]]]:
    # The line at which a row begins, and its cells; blank lines, and what an Orange table says below its header, are no rows.
    begins = 1
    below = iter((_TYPE, _ROLE)) if orange else iter(())
    header = True
    for cells in reader:
        line, begins = begins, reader.line_num + 1
        if not header and any(cells):
            known = next(below, None)
            if known and all(map(known.fullmatch, cells)):
                continue
            below = iter(())
        if header or cells:
            yield line, cells
        header = False


def _names(path: Path, cells: list[str], told: Told) -> list[str]:
    numbered = [f"column_{number}" for number in range(1, len(cells) + 1)]
    if told.header is False:
        return numbered
    names = [cell.strip() for cell in cells]
    if not any(names):
        raise UserError(f"{path}, line 1: blank, where the names of the columns are expected: remove it, or write the header there")
    given = [name for name in names if name]
    if len(set(given)) != len(given):
        raise UserError(f"{path}, line 1: a column name occurs twice in {shown(cells)}: rename one (no header? fetch --no-header)")
    return [name or number for name, number in zip(names, numbered, strict=True)]


def first_row_as_data(path: Path, tabs: bool, told: Told) -> str | None:
    """Say why the first row looks like data and not like a header; None where it does not."""
    rows = [values for _, values in islice(read_delimited(path, _pass_over, tabs, Told(told.encoding, header=False)), _SAMPLE_LINES)]
    if len(rows) < 2:
        return None
    for name, value in rows[0].items():
        if _NUMBER.fullmatch(value.strip()):
            return f"its cell {shown(value)} is a number"
        if len(value) > _LONGEST_NAME:
            return f"its cell {shown(value)} is long"
        if value and sum(row.get(name) == value for row in rows[1:]) > _MANY * (len(rows) - 1):
            return f"its cell {shown(value)} stands in many rows"
    return None
