"""Which rows must go so that nothing of the test split can be learned, and why each one goes."""

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from sentiment.core.overrides import override
from sentiment.data.dealing.comparison_keys import Keys, repeats
from sentiment.data.reading.label_codes import CLASS_LEFT_OUT, MAPPED_TO_NOTHING
from sentiment.data.reading.label_codes import UNLABELLED as NO_LABEL
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
    UNLABELLED = 10
    LABEL_MAPPED_TO_NOTHING = 11
    CLASS_DROPPED = 12


_WITHOUT_CLASS = {NO_LABEL: Reason.UNLABELLED, MAPPED_TO_NOTHING: Reason.LABEL_MAPPED_TO_NOTHING, CLASS_LEFT_OUT: Reason.CLASS_DROPPED}
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio


def clean_split(keys: Keys, majority: bool = False) -> Reasons:
    """Decide on the rows of a split that may be changed, by themselves.

    Parameters
    ----------
    keys : Keys
        The split's rows.
    majority : bool
        Of one text with several labels, keep the label that most of its rows bear, where there is one.

    Returns
    -------
    ndarray of int8
        A `Reason` a row. Of texts that are the same once normalised and bear the same label the
        first stays. Where their labels differ and the texts too, by punctuation, one of each label stays (`tied_rows`);
        where the texts are the same none does, as nothing tells which label is right.
    """
    reasons = _without_class(keys)
    reasons[(reasons == Reason.KEPT) & keys.empty] = Reason.EMPTY
    reasons[(reasons == Reason.KEPT) & _conflicts(keys, reasons == Reason.KEPT, majority)] = Reason.CONFLICTING_LABEL
    reasons[repeats(keys.exact, reasons == Reason.KEPT)] = Reason.EXACT_DUPLICATE
    with_label = keys.normalised ^ (keys.labels.astype(np.uint64) * _MIX)
    reasons[repeats(with_label, reasons == Reason.KEPT)] = Reason.NORMALISED_DUPLICATE
    return reasons


def tied_rows(keys: Keys, reasons: Reasons) -> list[list[int]]:
    """Find the rows that stay although their words are the same: their labels differ, and so does their punctuation.

    Returns
    -------
    list of list of int
        Positions among the rows that stay, at least two in each list: they belong into one split.
    """
    digests = keys.normalised[reasons == Reason.KEPT]
    shared = np.flatnonzero(np.isin(digests, digests[repeats(digests, np.ones(len(digests), dtype=bool))]))
    if len(digests) == 0 or keys.empty[reasons == Reason.KEPT][shared].all():
        return []
    return [np.flatnonzero(digests == digest).tolist() for digest in np.unique(digests[shared])]


def _without_class(keys: Keys) -> Reasons:
    reasons = np.full(len(keys.labels), Reason.KEPT, dtype=np.int8)
    for code, reason in _WITHOUT_CLASS.items():
        reasons[keys.labels == code] = reason
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
    texts = other.normalised[~other.empty & (other.labels >= 0)]
    reasons[(reasons == Reason.KEPT) & np.isin(keys.normalised, texts)] = text
    if keys.groups is not None and other.groups is not None:
        reasons[(reasons == Reason.KEPT) & np.isin(keys.groups, other.groups[other.labels >= 0])] = group


def decide_rows(keys: dict[str, Keys], majority: bool = False) -> dict[str, Reasons]:
    """Decide which rows of a source stay, near-duplicates apart.

    Parameters
    ----------
    keys : dict of str to Keys
        By split: train, test and validation, or all.
    majority : bool
        As for `clean_split`.

    Returns
    -------
    dict of str to ndarray of int8
        A `Reason` for each row. A test split loses only the rows that have no class; validation gives way to test, and
        train to both.
    """
    reasons = {split: clean_split(own, majority) for split, own in keys.items()}
    if "test" in keys:
        reasons["test"] = _without_class(keys["test"])
        for split in reasons.keys() - {"test"}:
            give_way(keys[split], reasons[split], keys["test"], Reason.TEXT_IN_TEST, Reason.GROUP_IN_TEST)
    if "validation" in keys:
        give_way(keys["train"], reasons["train"], keys["validation"], Reason.TEXT_IN_VALIDATION, Reason.GROUP_IN_VALIDATION)
    return reasons


def check_classes(keys: dict[str, Keys], reasons: dict[str, Reasons], class_names: list[str]) -> None:
    """Refuse a class of which no row is left to learn from."""
    learned = "train" if "train" in keys else "all"
    rows = {split: np.bincount(own.labels[reasons[split] == Reason.KEPT], minlength=len(class_names)) for split, own in keys.items()}
    if len(filled := [name for name, count in zip(class_names, rows[learned], strict=True) if count]) < 2:
        only = f"only the class {filled[0]!r} has rows" if filled else "no class has rows"
        raise UserError(f"{only} to learn from ({', '.join(class_names)} are the classes): a classifier needs two: add rows of another class")
    for index, name in enumerate(class_names):
        elsewhere = [f"{rows[split][index]} in {split}" for split in keys if split != learned and rows[split][index]]
        if not rows[learned][index]:
            found = f" (but {', '.join(elsewhere)})" if elsewhere else ""
            way_out = override("prepare.drop_classes", [name])
            raise UserError(f"class {name!r} has no row to learn from{found}: add some, or leave the class out: {way_out}")


def _conflicts(keys: Keys, among: npt.NDArray[np.bool_], majority: bool) -> npt.NDArray[np.bool_]:
    positions = np.flatnonzero(among)
    if not len(positions):
        return among
    _, inverse = np.unique(keys.finer[positions], return_inverse=True)
    labels = keys.labels[positions]
    lowest = np.full(inverse.max() + 1, np.iinfo(np.int64).max)
    highest = np.full(inverse.max() + 1, -1)
    np.minimum.at(lowest, inverse, labels)
    np.maximum.at(highest, inverse, labels)
    marks = np.zeros(len(keys.labels), dtype=bool)
    disputed = lowest[inverse] != highest[inverse]
    marks[positions] = disputed
    if majority and disputed.any():
        pairs, member, votes = np.unique(np.stack([inverse[disputed], labels[disputed]]), axis=1, return_inverse=True, return_counts=True)
        most = np.zeros(inverse.max() + 1, dtype=np.int64)
        np.maximum.at(most, pairs[0], votes)
        leading = votes == most[pairs[0]]
        alone = leading & (np.bincount(pairs[0][leading], minlength=len(most))[pairs[0]] == 1)
        marks[positions[disputed][alone[member.reshape(-1)]]] = False
    return marks
