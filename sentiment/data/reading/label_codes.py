"""Labels: an index, a class name, or a string of an index, all brought to an index."""

from typing import Any

from sentiment.terminal.errors import UserError, shown

_MOST_DIGITS = 18  # Python reads no number of thousands of digits
_MOST_NAMES = 20  # in an error


class LabelCoder:
    """Turn a source's label into a class index.

    Parameters
    ----------
    class_names : list of str
        The name of class 0, of class 1, and so on.
    by_name : bool
        A number is a class name too, and never an index.
    first : tuple of (value, str), optional
        An earlier label and where it stands: the others must be text where it is text.
    """

    def __init__(self, class_names: list[str], by_name: bool = False, first: tuple[Any, str] | None = None) -> None:
        self._class_names = class_names
        self._codes = {name: index for index, name in enumerate(class_names)}
        self._by_name = by_name
        self._first = first

    def encode(self, value: Any, where: str) -> int:
        """Return the index of a label.

        Parameters
        ----------
        value : int or str
            An index, a class name, or a string of an index (``"1"``). A class name wins.
        where : str
            File and line, for the error.

        Raises
        ------
        UserError
            Where it is none of these (the value, where it stands, and what is allowed), or a number
            where earlier ones were text, or the other way round.
        """
        self._first = self._first or (value, where)
        if isinstance(value, str) != isinstance(self._first[0], str):
            first, there = self._first
            raise UserError(
                f"{where}: label {shown(value)} is {_kind(value)} where {there} has {shown(first)}, which is {_kind(first)}: write all in one way"
            )
        if self._by_name and isinstance(value, int) and not isinstance(value, bool):
            if str(value) in self._codes:
                return self._codes[str(value)]
        elif isinstance(value, str):
            if value in self._codes:
                return self._codes[value]
            stripped = value.strip()
            if stripped in self._codes:
                return self._codes[stripped]
            if stripped.isascii() and stripped.isdecimal() and len(stripped) <= _MOST_DIGITS and int(stripped) < len(self._class_names):
                return int(stripped)
        elif isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(self._class_names):
            return value
        names = ", ".join(f"{index} ({name})" for index, name in enumerate(self._class_names[:_MOST_NAMES]))
        more = f" and {len(self._class_names) - _MOST_NAMES} more" if len(self._class_names) > _MOST_NAMES else ""
        raise UserError(f"{where}: label {shown(value)} is none of {names}{more}: correct it, or set prepare.class_names")


def _kind(value: Any) -> str:
    return "text" if isinstance(value, str) else f"a {type(value).__name__}"
