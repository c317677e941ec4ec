"""Texts to classify, from the command line, standard input or files, as rows of one form, in windows that fit into memory."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sentiment.data.reading.encodings import encoding_of
from sentiment.data.reading.formats import KINDS, TEXT_FILE, SourceRow, kind_of, place, read_lines, read_rows
from sentiment.data.reading.raw_lines import UTF_8, Bad, refuse
from sentiment.terminal.errors import UserError, shown

STANDARD_INPUT = Path("/dev/stdin")
WINDOW_ROWS = 8192
WINDOW_CHARACTERS = 16 * 1024 * 1024


@dataclass(frozen=True)
class TextRow:
    """One text to classify.

    Attributes
    ----------
    id : str
        The row's own (its column ``id``), else the file's name and the row's number.
    text : str
        As the source has it.
    kept : dict
        Other columns that go into the answer.
    """

    id: str
    text: str
    kept: dict[str, Any]


def typed_rows(texts: Sequence[str]) -> Iterator[TextRow]:
    """Yield texts of the command line."""
    for number, text in enumerate(texts, start=1):
        _check_whole(text, f"text {number}")
        yield TextRow(str(number), text, {})


def check_inputs(files: Sequence[Path]) -> None:
    """Refuse files that cannot be read, before a model is loaded."""
    for path in files:
        if path == STANDARD_INPUT:
            continue
        if not path.exists():
            raise UserError(f"{path}: no such file or folder")
        if not path.is_file() and not path.is_dir():
            raise UserError(f"{path}: is no regular file, and files are read twice: lead it to standard input instead (… < {path})")
        if not path.is_dir() and path.suffix != TEXT_FILE and kind_of(path) is None:
            raise UserError(
                f"{path}: unknown kind of file; known are {TEXT_FILE} (one text a line), {', '.join(KINDS)}, all but parquet also compressed"
            )


def file_rows(files: Sequence[Path], text_column: str, keep: Sequence[str], bad: Bad = refuse) -> Iterator[TextRow]:
    """Yield the rows of files in their order.

    Parameters
    ----------
    files : sequence of Path
        Of the kinds that prepare reads, ``.txt`` with one text a line, or `STANDARD_INPUT`, read like ``.txt``.
    text_column : str
        Holds the text.
    keep : sequence of str
        Columns that go into the answers; ``all`` stands for every other one.
    bad : callable
        Called with the error of a row that cannot be read; where it returns, the row is passed over.
    """
    for path in files:
        by_line = path == STANDARD_INPUT or (path.suffix == TEXT_FILE and not path.is_dir())
        column = "text" if by_line or path.is_dir() else text_column
        encoding = UTF_8 if path == STANDARD_INPUT or not by_line else encoding_of(path)
        for row in read_lines(path, bad, encoding) if by_line else read_rows(path, bad):
            try:
                yield _text_row(row, path, column, keep)
            except UserError as error:
                bad(error)


def windows(rows: Iterable[TextRow]) -> Iterator[list[TextRow]]:
    """Group rows: at most 8192, and no more than the last text over 16 million characters."""
    window: list[TextRow] = []
    characters = 0
    for row in rows:
        window.append(row)
        characters += len(row.text)
        if len(window) == WINDOW_ROWS or characters >= WINDOW_CHARACTERS:
            yield window
            window, characters = [], 0
    if window:
        yield window


def _text_row(row: SourceRow, path: Path, column: str, keep: Sequence[str]) -> TextRow:
    where = "standard input, line" if path == STANDARD_INPUT else place(path)
    where = f"{where} {row.number}"
    names = [name for name in row.values if name not in (column, "id")] if "all" in keep else list(keep)
    for name in (column, *names):
        if name not in row.values:
            raise UserError(f"{where}: no column {name!r}; found {', '.join(map(str, row.values))} (--text-column names the text's, --keep others)")
    text = "" if row.values[column] is None else row.values[column]
    if not isinstance(text, str):
        raise UserError(f"{where}: the text is {shown(text)}, not a string")
    stem = "line" if path == STANDARD_INPUT else path.absolute().name.split(".")[0] or "text"
    own = row.values.get("id")
    kept = {name: row.values[name] for name in names}
    made = TextRow(str(own) if own is not None else f"{stem}-{row.number:06d}", text, kept)
    _check_whole(text, where)
    _check_whole(made.id, where, "the id")
    for name, value in kept.items():
        _check_whole(json.dumps([name, value], ensure_ascii=False, default=str), where, f"column {name!r}")
    return made


def _check_whole(text: str, where: str, what: str = "the text") -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(f"{where}: {what} holds half a character ({text[error.start]!r}): an emoji was cut in two; remove it") from None
