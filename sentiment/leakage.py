"""Which rows must go so that nothing of the test split can be learned, and why each one goes."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentiment.tables import iterate
from sentiment.text import key, normalise

RAW_KEY = "raw_key"  # a column: the digest of each text as it was before cleaning


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
    """

    exact: npt.NDArray[np.uint64]
    normalised: npt.NDArray[np.uint64]
    labels: npt.NDArray[np.int64]
    groups: npt.NDArray[np.uint64] | None
    empty: npt.NDArray[np.bool_]


def keys_of(table: pa.Table) -> Keys:
    """Compute the digests by which rows are compared, from the columns text, label, group and, where it is there, `RAW_KEY`."""
    raw = table.column(RAW_KEY).to_numpy() if RAW_KEY in table.column_names else None
    exact = np.empty(table.num_rows, dtype=np.uint64)
    normalised = np.empty(table.num_rows, dtype=np.uint64)
    empty = np.zeros(table.num_rows, dtype=bool)
    for index, text in enumerate(iterate(table, "text")):
        exact[index] = key(text) if raw is None else raw[index]
        normalised[index] = key(normalise(text))
        empty[index] = not text
    groups = None
    if table.column("group").null_count < table.num_rows:
        groups = np.fromiter((key(group) for group in iterate(table, "group")), dtype=np.uint64, count=table.num_rows)
    return Keys(exact, normalised, table.column("label").to_numpy().astype(np.int64), groups, empty)


def repeats(keys: npt.NDArray[np.uint64], among: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Mark each row of `among` whose key stands in an earlier row of `among`."""
    positions = np.flatnonzero(among)
    _, first = np.unique(keys[positions], return_index=True)
    marks = np.zeros(len(keys), dtype=bool)
    marks[positions] = True
    marks[positions[first]] = False
    return marks


def clean_split(keys: Keys) -> npt.NDArray[np.int8]:
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


def give_way(keys: Keys, reasons: npt.NDArray[np.int8], other: Keys, text: Reason, group: Reason) -> None:
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
