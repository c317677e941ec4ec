"""Which class is taken for which."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ConfusedPair:
    """Two classes of which one is taken for the other.

    Attributes
    ----------
    true, predicted : int
        Class indices.
    rows : int
        How often.
    share : float
        Of the true class's rows.
    """

    true: int
    predicted: int
    rows: int
    share: float


def confusion_counts(labels: Integers, predicted: Integers, classes: int) -> Integers:
    """Count the rows of each true class (rows of the result) by predicted class (columns)."""
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def shares_of_true_class(counts: Integers) -> npt.NDArray[np.float64]:
    """Divide each row by its sum; a class without rows becomes nan."""
    with np.errstate(invalid="ignore"):
        shares: npt.NDArray[np.float64] = counts / counts.sum(axis=1, keepdims=True)
    return shares


def most_confused(counts: Integers, limit: int) -> list[ConfusedPair]:
    """Return the pairs with the most wrong rows, at most `limit`; of equals the larger share, then the first class, comes first.

    Parameters
    ----------
    counts : ndarray of int, shape (classes, classes)
        True class by predicted class.
    limit : int
        How many pairs to return.
    """
    shares = shares_of_true_class(counts)
    wrong = [(int(true), int(predicted)) for true, predicted in np.argwhere(counts) if true != predicted]
    wrong.sort(key=lambda pair: (-counts[pair], -shares[pair], pair))
    return [ConfusedPair(*pair, int(counts[pair]), float(shares[pair])) for pair in wrong[:limit]]
