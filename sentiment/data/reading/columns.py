"""Finding a column by its name, and the hint where only its spelling differs."""

from collections.abc import Mapping
from typing import Any

from sentiment.core.overrides import override
from sentiment.terminal.errors import UserError

_MOST_NAMES = 30
_LONGEST_NAME = 60


def cell(values: Mapping[str, Any], name: str, parameter: str, where: str) -> Any:
    """Return a row's value in a column.

    Parameters
    ----------
    values : mapping of str to value
        The row.
    name : str
        The column.
    parameter : str
        What names it: ``prepare.text_column``.
    where : str
        File and line, for the error.

    Raises
    ------
    UserError
        Where there is no such column: those that there are, and the one that differs in case or spaces alone.
    """
    try:
        return values[name]
    except KeyError:
        found = [str(one) for one in values]
        near = [one for one in found if one.strip().casefold() == name.strip().casefold()]
        hint = f"; is it {near[0]!r}? ({override(parameter, near[0])})" if near else f"; name yours in {parameter}{_no_header(found)}"
        more = f" and {len(found) - _MOST_NAMES} more" if len(found) > _MOST_NAMES else ""
        raise UserError(f"{where}: no column {name!r}; found {', '.join(found[:_MOST_NAMES])}{more}{hint}") from None


def _no_header(names: list[str]) -> str:
    if any(len(name) > _LONGEST_NAME or name.isdecimal() for name in names):
        return " (is the first row no header? python -m sentiment fetch --no-header)"
    return ""
