"""Labels: an index, a class name, or a string of an index, all brought to an index."""

from typing import Any

from sentiment.errors import UserError


class LabelCoder:
    """Turn a source's label into a class index.

    Parameters
    ----------
    class_names : list of str
        The name of class 0, of class 1, and so on.
    """

    def __init__(self, class_names: list[str]) -> None:
        self._class_names = class_names
        self._codes = {name: index for index, name in enumerate(class_names)}

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
            Where it is none of these: the value, where it stands, and what is allowed.
        """
        if isinstance(value, str):
            if value in self._codes:
                return self._codes[value]
            stripped = value.strip()
            if stripped in self._codes:
                return self._codes[stripped]
            if stripped.isascii() and stripped.isdecimal() and int(stripped) < len(self._class_names):
                return int(stripped)
        elif isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(self._class_names):
            return value
        names = ", ".join(f"{index} ({name})" for index, name in enumerate(self._class_names))
        raise UserError(f"{where}: label {value!r} is none of {names}: correct it, or set prepare.class_names")
