"""Which rows must go so that nothing of the test split can be learned, and why each one goes."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentiment.errors import UserError
from sentiment.near_duplicates import band_keys
from sentiment.tables import labels_of
from sentiment.text import key, normalise

RAW_KEY = "raw_key"  # a column: the digest of each text as it was before cleaning

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


@dataclass(frozen=True)
class Keys:
    """What is known of each row of one source split; all arrays have one entry a row.

    Attributes
    ----------
    exact, normalised : ndarray of uint64
        Digests of the text as the source has it (as far as that is known) and of the normalised one.
    labels : ndarray of int
        Class indices.
    groups : ndarray of uint64 or None
        Digests of the groups.
    empty : ndarray of bool
        True where nothing is left of the text.
    ids : ndarray of uint64
        Digests of the ids.
    bands : ndarray of uint64, shape (n, 20), or None
        The `band_keys` of the text; None where near-duplicates are not looked for.
    """

    exact: npt.NDArray[np.uint64]
    normalised: npt.NDArray[np.uint64]
    labels: npt.NDArray[np.int64]
    groups: npt.NDArray[np.uint64] | None
    empty: npt.NDArray[np.bool_]
    ids: npt.NDArray[np.uint64]
    bands: npt.NDArray[np.uint64] | None = None


def keys_of(table: pa.Table, with_bands: bool = False) -> Keys:
    """Compute the digests by which rows are compared, from the columns id, text, label, group and, where it is there, `RAW_KEY`."""
    raw = table.column(RAW_KEY).to_numpy() if RAW_KEY in table.column_names else None
    texts = table.column("text").to_pylist()
    normalised = [normalise(text) for text in texts]
    return Keys(
        exact=_digests(texts) if raw is None else raw.astype(np.uint64),
        normalised=_digests(normalised),
        labels=labels_of(table),
        groups=_digests(table.column("group").to_pylist()) if table.column("group").null_count < table.num_rows else None,
        empty=np.array([not text for text in texts], dtype=bool),
        ids=_digests(table.column("id").to_pylist()),
        bands=band_keys(normalised) if with_bands else None,
    )


def joined(parts: Sequence[Keys]) -> Keys:
    """Put the keys of consecutive rows together."""

    def all_of(name: str) -> Any:
        arrays = [getattr(part, name) for part in parts]
        return None if any(array is None for array in arrays) else np.concatenate(arrays)

    return Keys(**{field.name: all_of(field.name) for field in fields(Keys)})


def _digests(texts: list[str]) -> npt.NDArray[np.uint64]:
    return np.fromiter(map(key, texts), dtype=np.uint64, count=len(texts))


def repeats(keys: npt.NDArray[np.uint64], among: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Mark each row of `among` whose key stands in an earlier row of `among`."""
    positions = np.flatnonzero(among)
    _, first = np.unique(keys[positions], return_index=True)
    marks = np.zeros(len(keys), dtype=bool)
    marks[positions] = True
    marks[positions[first]] = False
    return marks


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


def decide(keys: dict[str, Keys]) -> dict[str, Reasons]:
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
