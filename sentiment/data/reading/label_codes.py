"""Labels: an index, a class name, or a string of an index, all brought to an index; and the rows that have no class."""

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sentiment.terminal.errors import UserError, shown

UNLABELLED, MAPPED_TO_NOTHING, CLASS_LEFT_OUT = -1, -2, -3  # in place of an index

_MOST_DIGITS = 18  # Python reads no number of thousands of digits
_MOST_NAMES = 20  # in an error
_TRUTH = {"true": 1, "false": 0}
_WHOLE = re.compile(r"([+-]?\d{1,18})\.0+", re.ASCII)  # pandas writes a column of indices with gaps so


@dataclass(frozen=True)
class LabelRules:
    """What is done to labels before they name a class.

    Attributes
    ----------
    renamed : mapping of str to (str or None)
        From a label, as `label_text` writes it, to the class it belongs to; None drops the row.
    left_out : list of str
        Classes whose rows are dropped.
    skip_unlabelled : bool
        A row without a label is dropped; otherwise it is an error.
    """

    renamed: Mapping[str, str | None] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    skip_unlabelled: bool = False


def label_text(value: Any) -> str | None:
    """Return a label as text: ``1.0`` as ``1``, true as ``true``, a list of one as what is in it; None where there is none."""
    value = unwrap(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    whole = _WHOLE.fullmatch(text)
    return whole.group(1) if whole else text or None


def unwrap(value: Any) -> Any:
    """Return the one thing in a list of one; anything else as it is."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


class LabelCoder:
    """Turn a source's label into a class index.

    Parameters
    ----------
    class_names : list of str
        The name of class 0, of class 1, and so on, without those that are left out.
    by_name : bool
        A number is a class name too, and never an index.
    first : tuple of (value, str), optional
        An earlier label and where it stands: the others must be text where it is text.
    rules : LabelRules, optional
        What is renamed, left out and skipped.
    all_names : list of str, optional
        The names an index counts from, where some of them are left out; by default `class_names`.
    """

    def __init__(
        self,
        class_names: list[str],
        by_name: bool = False,
        first: tuple[Any, str] | None = None,
        rules: LabelRules | None = None,
        all_names: list[str] | None = None,
    ) -> None:
        self._rules = rules or LabelRules()
        self._names = all_names or class_names
        kept = {name: index for index, name in enumerate(class_names)}
        self._codes = {name: kept.get(name, CLASS_LEFT_OUT) for name in [*self._names, *class_names, *self._rules.left_out]}
        self._by_name = by_name
        self._first = first

    def encode(self, value: Any, where: str) -> int:
        """Return the index of a label.

        Parameters
        ----------
        value : object
            An index (also ``1.0``), a class name, a string of an index (``"1"``), a list of one of these, or, of two classes, a
            truth value. A class name wins.
        where : str
            File and line, for the error.

        Returns
        -------
        int
            The index, or `UNLABELLED`, `MAPPED_TO_NOTHING` or `CLASS_LEFT_OUT` for a row that is to be dropped.

        Raises
        ------
        UserError
            Where it is none of these (the value, where it stands, and what is allowed), or a number
            where earlier ones were text, or the other way round.
        """
        text = label_text(value)
        if text is None and self._rules.skip_unlabelled:
            return UNLABELLED
        if text is not None and text in self._rules.renamed:
            return self._renamed(text)
        plain = unwrap(value)
        if text is not None:
            self._check_kind(plain, where)
        name = self._name(plain, text)
        if name is None:
            raise UserError(self._refusal(value, text, where))
        return self._renamed(name) if name in self._rules.renamed else self._codes[name]

    def _renamed(self, label: str) -> int:
        name = self._rules.renamed[label]
        if name is None:
            return MAPPED_TO_NOTHING
        if name not in self._codes:
            raise UserError(f"prepare.label_map gives the class {name!r}, which prepare.class_names lacks: add it there, or set class_names to null")
        return self._codes[name]

    def _check_kind(self, value: Any, where: str) -> None:
        if self._first is None or label_text(self._first[0]) is None:
            self._first = value, where
        first, there = unwrap(self._first[0]), self._first[1]
        if isinstance(value, str) != isinstance(first, str):
            raise UserError(
                f"{where}: label {shown(value)} is {_kind(value)} where {there} has {shown(first)}, which is {_kind(first)}: write all in one way"
            )

    def _name(self, value: Any, text: str | None) -> str | None:
        if text is None or not isinstance(value, str | int | float):
            return None
        if isinstance(value, str) or self._by_name or isinstance(value, bool):
            for name in (value, text):
                if isinstance(name, str) and name in self._codes:
                    return name
            if self._by_name and not isinstance(value, str):
                return None
        if text.lower() in _TRUTH:
            return self._names[_TRUTH[text.lower()]] if len(self._names) == 2 else None
        if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS and int(text) < len(self._names):
            return self._names[int(text)]
        return None

    def _refusal(self, value: Any, text: str | None, where: str) -> str:
        if text is None:
            return f"{where}: label {shown(value)} is missing: write one, or set prepare.unlabelled=drop: such rows are then dropped and counted"
        if isinstance(value, list) and len(value) > 1:
            return f"{where}: label {shown(value)} is a list of several: one class a row is learned here; name another prepare.label_column"
        names = ", ".join(f"{index} ({name})" for index, name in enumerate(self._names[:_MOST_NAMES]))
        more = f" and {len(self._names) - _MOST_NAMES} more" if len(self._names) > _MOST_NAMES else ""
        near = [name for name in self._codes if name.casefold() == text.casefold()] or difflib.get_close_matches(text, self._codes, n=1, cutoff=0.8)
        fold = f"prepare.label_map={{{text}: {near[0] if near else self._names[0]}}}"
        hint = f"; is it {near[0]!r}?" if near else ""
        return (
            f"{where}: label {shown(value)} is none of {names}{more}{hint}: correct it, fold it into a class ({fold}; null drops the row), "
            "or set prepare.class_names (null: the labels that occur)"
        )


def _kind(value: Any) -> str:
    return "text" if isinstance(value, str) else f"a {type(value).__name__}"
