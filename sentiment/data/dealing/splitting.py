"""Dealing rows, or whole groups of rows, out to splits, with the class balance kept."""

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

from sentiment.core.overrides import override
from sentiment.terminal.errors import UserError

Indices = npt.NDArray[np.int64]


def hold_out(
    labels: npt.NDArray[np.int64],
    groups: Indices | None,
    share: float,
    seed: int,
    class_names: list[str],
    name: str,
    sides: int = 2,
    ties: Indices | None = None,
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
    sides : int
        Into how many splits the rows will be dealt in all: of each class one row, or group, is left for each of them.
    ties : ndarray of int, shape (n,), or None
        Rows of one number go to one side.

    Returns
    -------
    rest, taken : ndarray of int
        Positions, ascending. With groups, the number taken is right to within one group, but for what rare classes need.

    Raises
    ------
    UserError
        Where a class has too few rows or groups to stand in every split.
    """
    units, advice = ("groups" if groups is not None else "rows"), ""
    if ties is not None:
        given, groups = groups, ties if groups is None else joined_groups(groups, ties)
        if given is not None and (count := len(np.unique(groups))) < len(np.unique(given)):
            advice = ", or deal out rows in place of groups: -S prepare.group_column=null"
            units = f"groups ({len(np.unique(given))} count as {count}, since those that hold the same words stay together)"
    standing = labels if groups is None else _labels_of_groups(labels, groups, len(class_names))
    _check_units(np.bincount(standing, minlength=len(class_names)), class_names, units, name, sides, advice)
    if groups is not None:
        marks = with_every_class(labels, groups, _deal_groups(labels, groups, share, seed, len(class_names)), sides)
    else:
        marks = _draw_rows(labels, share, seed, sides)
    for side, where in ((name, marks), ("remaining", ~marks)):
        for class_name, count in zip(class_names, np.bincount(labels[where], minlength=len(class_names)), strict=True):
            if not count:
                what = _advice([class_name]) + advice
                raise UserError(f"class {class_name!r} has too few {units} to split: none is left for the {side} split: {what}")
    return np.flatnonzero(~marks), np.flatnonzero(marks)


def _check_units(counts: Indices, class_names: list[str], units: str, name: str, sides: int, advice: str) -> None:
    few = [(class_name, int(count)) for class_name, count in zip(class_names, counts, strict=True) if count < sides]
    if few:
        class_name, count = few[0]
        more = f" (and {len(few) - 1} more classes have too few)" if len(few) > 1 else ""
        raise UserError(
            f"class {class_name!r} has {count} of the {units} from which the {name} split is taken, and needs at least {sides}{more}: "
            + _advice([class_name for class_name, _ in few])
            + advice
        )


def _advice(names: list[str]) -> str:
    return f"add rows, fold it into another class (prepare.label_map), or leave it out: {override('prepare.drop_classes', names)}"


def joined_groups(groups: Indices, ties: Indices) -> Indices:
    """Give the groups new numbers, one for all groups that tied rows connect."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    _, left = np.unique(groups, return_inverse=True)
    _, right = np.unique(ties, return_inverse=True)
    size = left.max() + 1 + right.max() + 1
    edges = coo_matrix((np.ones(len(left)), (left, left.max() + 1 + right)), shape=(size, size))
    numbers: Indices = connected_components(edges, directed=False)[1][left].astype(np.int64)
    return numbers


def _draw_rows(labels: Indices, share: float, seed: int, sides: int) -> npt.NDArray[np.bool_]:
    marks = np.zeros(len(labels), dtype=bool)
    counts = np.bincount(labels)
    present = counts > 0
    try:
        _, taken = train_test_split(np.arange(len(labels)), test_size=share, random_state=seed, stratify=labels)
        drawn = np.bincount(labels[taken], minlength=len(counts))
    except ValueError:  # fewer rows to take than there are classes
        drawn = np.zeros_like(counts)
    if (drawn[present] >= 1).all() and (counts - drawn)[present].min() >= sides - 1:
        marks[taken] = True
        return marks
    # scikit-learn leaves a rare class out of the smaller side: at least one row of each then, the rest in proportion.
    quotas = np.clip(_quotas(counts, max(1, round(share * len(labels)))), present.astype(np.int64), np.maximum(counts - sides + 1, 0))
    order = np.random.default_rng(seed).permutation(len(labels))
    for label, quota in enumerate(quotas):
        marks[order[labels[order] == label][:quota]] = True
    return marks


def with_every_class(labels: Indices, groups: Indices, taken: Indices, sides: int) -> npt.NDArray[np.bool_]:
    """Move whole groups, the smallest that serve, so that each class has one on the taken side and enough on the other.

    Parameters
    ----------
    labels, groups : ndarray of int, shape (n,)
        Classes and groups of the rows.
    taken : ndarray of int
        Positions that were drawn.
    sides : int
        As for `hold_out`.

    Returns
    -------
    ndarray of bool, shape (n,)
        The positions on the taken side; a class may still lack a side where groups mix the classes so.
    """
    names, membership = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), labels.max() + 1), dtype=np.int64)
    np.add.at(counts, (membership, labels), 1)
    on = np.zeros(len(names), dtype=bool)
    on[membership[taken]] = True
    holds, classes = counts > 0, np.flatnonzero(counts.sum(axis=0))
    for there, fewest_there, fewest_here in ((True, 1, sides - 1), (False, sides - 1, 1)):
        for label in classes:
            while holds[on == there][:, label].sum() < fewest_there:
                spare = holds[on != there].sum(axis=0) > fewest_here
                movable = np.flatnonzero((on != there) & holds[:, label] & ~(holds[:, classes] & ~spare[classes]).any(axis=1))
                if not len(movable):
                    break
                on[movable[counts[movable].sum(axis=1).argmin()]] = there
    marks: npt.NDArray[np.bool_] = on[membership]
    return marks


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
    """Draw `size` rows, or all where there are fewer, with the class balance kept and at least one row of each class.

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
        Where there are more classes than `size`.
    """
    if size is None or size >= len(labels):
        return np.arange(len(labels))
    if size < (classes := len(np.unique(labels))):
        raise UserError(f"{name} = {size}, but there are {classes} classes, and each needs a row: set it to {classes} or more, or to null")
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(labels))
    if groups is not None:
        _, membership = np.unique(groups, return_inverse=True)
        rank = generator.permutation(membership.max() + 1)
        order = order[np.argsort(rank[membership[order]], kind="stable")]
    quotas = _quotas(np.bincount(labels), size)
    quotas[(quotas == 0) & (np.bincount(labels) > 0)] = 1
    while quotas.sum() > size:
        quotas[quotas.argmax()] -= 1
    chosen = [order[labels[order] == label][:quota] for label, quota in enumerate(quotas)]
    return np.sort(np.concatenate(chosen))


def _quotas(counts: Indices, size: int) -> Indices:
    # Largest remainders: exact in sum, nearest to proportional.
    exact = counts * (size / counts.sum())
    quotas: Indices = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - quotas), kind="stable")
    quotas[order[: size - quotas.sum()]] += 1
    return quotas
