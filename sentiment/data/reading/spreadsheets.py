"""The first sheet of an xlsx file, row by row."""

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sentiment.terminal.errors import UserError


def read_sheet(path: Path, header: bool | None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number of each row in the sheet and its cells by the names in the first row.

    Parameters
    ----------
    path : Path
        The file.
    header : bool or None
        False: the first row holds data, and the columns are called ``column_1`` and so on.

    Raises
    ------
    UserError
        Where it is no xlsx file.
    """
    import openpyxl

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # openpyxl raises whatever its parser meets
        raise UserError(f"{path}: not a readable xlsx file ({error}): save it as .xlsx or .csv (.xls: open it and save it anew)") from None
    try:
        names: list[str] | None = None
        for number, cells in enumerate(book.worksheets[0].iter_rows(values_only=True), start=1):
            if all(cell is None for cell in cells):
                continue
            if names is None:
                numbered = [f"column_{place}" for place in range(1, len(cells) + 1)]
                names = [str(cell).strip() if cell is not None else name for cell, name in zip(cells, numbered, strict=True)]
                if header is not False:
                    continue
                names = numbered
            row = dict.fromkeys(names)
            row.update(zip(names, map(_plain, cells), strict=False))
            yield number, row
    finally:
        book.close()


def _plain(cell: Any) -> Any:
    if isinstance(cell, datetime.datetime | datetime.date | datetime.time):
        return cell.isoformat()
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell
