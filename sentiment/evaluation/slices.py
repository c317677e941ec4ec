"""Accuracy on parts of a test set: where a classifier is weak."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from sentiment.evaluation.metrics import Interval, wilson

LENGTH_EDGES = (0, 64, 128, 256, 512)
CUT = "cut"  # the slices of `by_cut`
PHENOMENON = "phenomenon"  # a column of the bundled corpus and of the challenge set: what makes a text hard


@dataclass(frozen=True)
class Slice:
    """One part of a test set.

    Attributes
    ----------
    name : str
        What its rows have in common.
    rows : int
        How many there are.
    accuracy : float
        Share of correct rows.
    low, high : float
        Wilson's 95 % interval.
    """

    name: str
    rows: int
    accuracy: float
    low: float
    high: float


def slice_of(name: str, correct: npt.NDArray[np.bool_]) -> Slice:
    """Sum up the rows of one slice; there must be at least one."""
    interval = wilson(int(correct.sum()), len(correct))
    return Slice(name, len(correct), float(correct.mean()), interval.low, interval.high)


def by_length(lengths: npt.NDArray[np.int64], correct: npt.NDArray[np.bool_], max_length: int) -> list[Slice]:
    """Cut by number of tokens (before truncation) at 64, 128, 256, 512 and `max_length`; empty slices are left out.

    No slice holds both texts that were read whole and texts that were cut.
    """
    edges = [*sorted({*LENGTH_EDGES, max_length}), int(np.iinfo(np.int64).max)]
    result = []
    for low, high in pairwise(edges):
        mask = (lengths > low) & (lengths <= high)
        name = f"over {low}" if high == edges[-1] else f"{low + 1} to {high}"
        if mask.any():
            result.append(slice_of(name, correct[mask]))
    return result


def by_cut(lengths: npt.NDArray[np.int64], correct: npt.NDArray[np.bool_], max_length: int) -> list[Slice]:
    """Part the texts that the model read whole from those it read cut: what truncation costs, as far as long texts are not harder by themselves."""
    cut = lengths > max_length
    return [slice_of(name, correct[mask]) for name, mask in (("read whole", ~cut), ("cut", cut)) if mask.any()]


def difference(one: Slice, other: Slice) -> Interval:
    """Return the 95 % interval of the first slice's accuracy minus the second's.

    References
    ----------
    Newcombe (1998), Interval estimation for the difference between independent proportions, Statistics in Medicine 17,
    method 10: from the Wilson intervals of both.
    """
    centre = one.accuracy - other.accuracy
    below = np.hypot(one.accuracy - one.low, other.high - other.accuracy)
    above = np.hypot(one.high - one.accuracy, other.accuracy - other.low)
    return Interval(float(centre - below), float(centre + above))


def by_value(values: Sequence[object], correct: npt.NDArray[np.bool_]) -> list[Slice]:
    """Cut by the values of a column, in alphabetical order; rows without a value are left out."""
    names = np.asarray(["" if value is None else str(value) for value in values])
    return [slice_of(str(name), correct[names == name]) for name in np.unique(names) if name]


def as_dicts(slices: Sequence[Slice]) -> list[dict[str, object]]:
    """Return slices as plain dicts, for JSON."""
    return [asdict(item) for item in slices]
