"""Which rows must go so that nothing of the test split can be learned, and why each one goes."""

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from sentiment.data.dealing.comparison_keys import Keys, repeats
from sentiment.terminal.errors import UserError

Reasons = npt.NDArray[np.int8]  # a `Reason` for each row


class Reason(IntEnum):
    """Why a row is dropped; KEPT where it is not."""

    KEPT = 0
    EMPTY = 1
    CONFLICTING_LABEL = 2
    EXACT_DUPLICATE = 3
    NORMALISED_DUPLICATE = 4
    NEAR_DUPLICATE = 5
    TEXT_IN_TEST = 6
    GROUP_IN_TEST = 7
    TEXT_IN_VALIDATION = 8
    GROUP_IN_VALIDATION = 9


def clean_split(keys: Keys) -> Reasons:
    """Decide on the rows of a split that may be changed, by themselves.

    Parameters
    ----------
    keys : Keys
        The split's rows.

    Returns
    -------
    ndarray of int8
        A `Reason` a row. Of texts that are the same once normalised and bear the same label the
        first stays; where their labels differ none does, as nothing tells which one is right.
    """
    reasons = np.full(len(keys.labels), Reason.KEPT, dtype=np.int8)
    reasons[keys.empty] = Reason.EMPTY
    reasons[(reasons == Reason.KEPT) & _conflicts(keys, reasons == Reason.KEPT)] = Reason.CONFLICTING_LABEL
    reasons[repeats(keys.exact, reasons == Reason.KEPT)] = Reason.EXACT_DUPLICATE
    reasons[repeats(keys.normalised, reasons == Reason.KEPT)] = Reason.NORMALISED_DUPLICATE
    return reasons


def give_way(keys: Keys, reasons: Reasons, other: Keys, text: Reason, group: Reason) -> None:
    """Drop the rows that share their text or their group with a split that takes precedence.

    Parameters
    ----------
    keys, reasons : Keys, ndarray of int8
        The split that gives way; its `reasons` are changed in place.
    other : Keys
        The split that stays.
    text, group : Reason
        What to write for a shared text and for a shared group.
    """
    # Every text of `other` that is empty once cleaned has the same key: it says nothing.
    texts = other.normalised[~other.empty]
    reasons[(reasons == Reason.KEPT) & np.isin(keys.normalised, texts)] = text
    if keys.groups is not None and other.groups is not None:
        reasons[(reasons == Reason.KEPT) & np.isin(keys.groups, other.groups)] = group


def decide_rows(keys: dict[str, Keys]) -> dict[str, Reasons]:
    """Decide which rows of a source stay, near-duplicates apart.

    Parameters
    ----------
    keys : dict of str to Keys
        By split: train, test and validation, or all.

    Returns
    -------
    dict of str to ndarray of int8
        A `Reason` for each row. A test split is never changed; validation gives way to test, and
        train to both.
    """
    reasons = {split: clean_split(own) for split, own in keys.items()}
    if "test" in keys:
        reasons["test"][:] = Reason.KEPT
        for split in reasons.keys() - {"test"}:
            give_way(keys[split], reasons[split], keys["test"], Reason.TEXT_IN_TEST, Reason.GROUP_IN_TEST)
    if "validation" in keys:
        give_way(keys["train"], reasons["train"], keys["validation"], Reason.TEXT_IN_VALIDATION, Reason.GROUP_IN_VALIDATION)
    return reasons


def check_classes(keys: dict[str, Keys], reasons: dict[str, Reasons], class_names: list[str]) -> None:
    """Refuse a class of which no row is left to learn from."""
    learned = "train" if "train" in keys else "all"
    rows = {split: np.bincount(own.labels[reasons[split] == Reason.KEPT], minlength=len(class_names)) for split, own in keys.items()}
    for index, name in enumerate(class_names):
        elsewhere = [f"{rows[split][index]} in {split}" for split in keys if split != learned and rows[split][index]]
        if not rows[learned][index]:
            found = f" (but {', '.join(elsewhere)})" if elsewhere else ""
            raise UserError(f"class {name!r} has no row to learn from{found}: add some, or name the other classes alone in prepare.class_names")


def _conflicts(keys: Keys, among: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    positions = np.flatnonzero(among)
    if not len(positions):
        return among
    _, inverse = np.unique(keys.normalised[positions], return_inverse=True)
    labels = keys.labels[positions]
    lowest = np.full(inverse.max() + 1, np.iinfo(np.int64).max)
    highest = np.full(inverse.max() + 1, -1)
    np.minimum.at(lowest, inverse, labels)
    np.maximum.at(highest, inverse, labels)
    marks = np.zeros(len(keys.labels), dtype=bool)
    marks[positions] = lowest[inverse] != highest[inverse]
    return marks
