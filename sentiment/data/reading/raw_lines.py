"""The lines of a text file, compressed or not, in any encoding."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from sentiment.terminal.errors import UserError

Bad = Callable[[UserError], None]  # what is done with a row that cannot be read

OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
LONGEST_LINE = 16 * 1024 * 1024  # bytes; the longest review of IMDB has 14,000
DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError)
UTF_8 = "utf-8"


def refuse(error: UserError) -> None:
    """Raise the error: a row that cannot be read ends the reading."""
    raise error


def open_raw(path: Path) -> BinaryIO:
    """Open a file's bytes, decompressed by what its name says."""
    return cast(BinaryIO, OPENERS[path.suffix](path, "rb") if path.suffix in OPENERS else path.open("rb"))


def damaged(path: Path, error: BaseException) -> Exception:
    """Return what to raise where a file's bytes cannot be read."""
    if path.suffix in OPENERS:
        return UserError(f"{path}: cannot be decompressed ({error}): the file is damaged or not what its name says")
    return error if isinstance(error, Exception) else UserError(str(error))


def count_lines(path: Path) -> int:
    """Count the lines of a file, roughly where its encoding is no extension of ASCII."""
    try:
        with open_raw(path) as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    except DAMAGED as error:
        raise damaged(path, error) from None


def lines_of(path: Path, bad: Bad, encoding: str = UTF_8) -> Iterator[tuple[int, str]]:
    """Yield the number, from 1, and the text of each line.

    Parameters
    ----------
    path : Path
        The file.
    bad : callable
        Called with the error of a line that cannot be decoded; where it returns, the line is passed over.
    encoding : str
        Of the file.

    Raises
    ------
    UserError
        Where a line is longer than 16 MiB, or the file cannot be decompressed; in another encoding than UTF-8 also where
        it cannot be decoded.
    """
    try:
        with open_raw(path) as file:
            yield from _utf_8_lines(path, file, bad) if encoding == UTF_8 else _other_lines(path, file, encoding)
    except DAMAGED as error:
        raise damaged(path, error) from None


def _utf_8_lines(path: Path, file: BinaryIO, bad: Bad) -> Iterator[tuple[int, str]]:
    offset = number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        _check_length(path, number, len(line))
        offset += len(line)
        try:
            text = line.decode("utf-8-sig" if number == 1 else UTF_8)
        except UnicodeDecodeError as error:
            first = offset - len(line) + error.start
            advice = "convert it to UTF-8, or name its encoding: python -m sentiment fetch --encoding NAME (cp1252, gb18030, …)"
            bad(UserError(f"{path}, line {number}: not UTF-8 (byte {first} of the file); {advice}"))
            continue
        yield number, text


def _other_lines(path: Path, file: BinaryIO, encoding: str) -> Iterator[tuple[int, str]]:
    number = 0
    with io.TextIOWrapper(file, encoding=encoding, newline="\n") as texts:
        while True:
            try:
                line = texts.readline(LONGEST_LINE + 1)
            except UnicodeError as error:
                raise UserError(f"{path}, after line {number}: not {encoding} ({error}): name another one with --encoding") from None
            if not line:
                return
            number += 1
            _check_length(path, number, len(line))
            yield number, line.removeprefix("\ufeff") if number == 1 else line


def _check_length(path: Path, number: int, length: int) -> None:
    if length > LONGEST_LINE:
        raise UserError(f"{path}, line {number}: longer than {LONGEST_LINE // 2**20} MiB: one row a line is expected (is it one JSON array?)")
