"""Dealing rows, or whole groups of rows, out to splits, with the class balance kept."""

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

from sentiment.terminal.errors import UserError

Indices = npt.NDArray[np.int64]


def hold_out(
    labels: npt.NDArray[np.int64], groups: Indices | None, share: float, seed: int, class_names: list[str], name: str
) -> tuple[Indices, Indices]:
    """Take a share of the rows away for a split.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        Class indices.
    groups : ndarray of int, shape (n,), or None
        Where given, whole groups are dealt out; else single rows, by scikit-learn's `train_test_split`.
    share : float
        Share of the rows to take, in (0, 1).
    seed : int
        Seed of the draw.
    class_names : list of str
        For the error.
    name : str
        The split that is taken, for the error.

    Returns
    -------
    rest, taken : ndarray of int
        Positions, ascending. With groups, the number taken is right to within one group.

    Raises
    ------
    UserError
        Where a class has too few rows or groups to stand on both sides.
    """
    units = "groups" if groups is not None else "rows"
    standing = labels if groups is None else _labels_of_groups(labels, groups, len(class_names))
    for class_name, count in zip(class_names, np.bincount(standing, minlength=len(class_names)), strict=True):
        if count < 2:
            raise UserError(
                f"class {class_name!r} has {count} of the {units} from which the {name} split is taken, and needs at least 2: "
                "add rows, or take the class out of prepare.class_names"
            )
    if groups is not None:
        taken = _deal_groups(labels, groups, share, seed, len(class_names))
    else:
        try:
            _, taken = train_test_split(np.arange(len(labels)), test_size=share, random_state=seed, stratify=labels)
        except ValueError as error:
            raise UserError(f"the {name} split cannot be taken from {len(labels)} rows: {error}") from None
    marks = np.zeros(len(labels), dtype=bool)
    marks[taken] = True
    for side, where in ((name, marks), ("remaining", ~marks)):
        for class_name, count in zip(class_names, np.bincount(labels[where], minlength=len(class_names)), strict=True):
            if not count:
                raise UserError(f"class {class_name!r} has too few {units} to split: none is left for the {side} split")
    return np.flatnonzero(~marks), np.flatnonzero(marks)


def _labels_of_groups(labels: Indices, groups: Indices, classes: int) -> Indices:
    # One entry for each class that stands in a group.
    _, membership = np.unique(groups, return_inverse=True)
    standing: Indices = np.unique(membership * classes + labels) % classes
    return standing


def _deal_groups(labels: npt.NDArray[np.int64], groups: Indices, share: float, seed: int, classes: int) -> Indices:
    # Groups come in random order; each is taken if that brings the counts by class closer to their targets.
    # Until the targets are near that takes every group (a random sample), then only those that fit.
    names, membership = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), classes), dtype=np.int32)
    np.add.at(counts, (membership, labels), 1)
    target = counts.sum(axis=0) * share
    taken = np.zeros(len(names), dtype=bool)
    missing = target.astype(np.float64)
    for group in np.random.default_rng(seed).permutation(len(names)):
        after = missing - counts[group]
        if np.square(after).sum() < np.square(missing).sum():
            taken[group], missing = True, after
    # Closer by class may be further off in all. Where that is more than the largest group, groups go over to the
    # other side one by one, each time the one that leaves the classes closest to their targets.
    largest = counts.sum(axis=1).max()
    while abs(missing.sum()) > largest:
        direction = 1 if missing.sum() > 0 else -1
        movable = np.flatnonzero(taken != (direction > 0))
        group = movable[np.square(missing - direction * counts[movable]).sum(axis=1).argmin()]
        taken[group] = direction > 0
        missing = missing - direction * counts[group]
    return np.flatnonzero(taken[membership])


def subsample(labels: npt.NDArray[np.int64], groups: Indices | None, size: int | None, seed: int, name: str) -> Indices:
    """Draw exactly `size` rows with the class balance kept.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        Class indices.
    groups : ndarray of int, shape (n,), or None
        Where given, whole groups are drawn and the last one of a class may be cut.
    size : int or None
        How many; None for all.
    seed : int
        Seed of the draw.
    name : str
        The parameter that gave `size`, for the error.

    Returns
    -------
    ndarray of int
        Positions, ascending.

    Raises
    ------
    UserError
        Where there are fewer than `size` rows.
    """
    if size is None:
        return np.arange(len(labels))
    if size > len(labels):
        raise UserError(f"{name} = {size}, but there are only {len(labels)} rows: lower it, or set it to null")
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(labels))
    if groups is not None:
        _, membership = np.unique(groups, return_inverse=True)
        rank = generator.permutation(membership.max() + 1)
        order = order[np.argsort(rank[membership[order]], kind="stable")]
    quotas = _quotas(np.bincount(labels), size)
    chosen = [order[labels[order] == label][:quota] for label, quota in enumerate(quotas)]
    return np.sort(np.concatenate(chosen))


def _quotas(counts: Indices, size: int) -> Indices:
    # Largest remainders: exact in sum, nearest to proportional.
    exact = counts * (size / counts.sum())
    quotas: Indices = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - quotas), kind="stable")
    quotas[order[: size - quotas.sum()]] += 1
    return quotas
