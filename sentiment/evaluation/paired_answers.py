"""Two classifiers on the same examples: the interval of their difference, and McNemar's test."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from sentiment.evaluation.metrics import Interval, group_resamples

_SEED = 0  # of the bootstrap: the same answers always give the same interval

Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class McNemar:
    """The exact McNemar test of two classifiers on the same examples.

    Attributes
    ----------
    only_first, only_second : int
        Examples that only one of the two gets right.
    p_value : float
        Two-sided.
    """

    only_first: int
    only_second: int
    p_value: float


def mcnemar(first: Booleans, second: Booleans) -> McNemar:
    """Test whether two classifiers are right equally often.

    Only examples on which they disagree count. If both are equally good, either is the right one
    with probability 1/2: a binomial distribution, without approximation. The test takes examples
    as independent, which reviews of one film are not, and speaks of two trained models, not of two
    recipes: here it informs, and decides nothing.

    Parameters
    ----------
    first, second : ndarray of bool, shape (examples,)
        Where each classifier is right.

    Returns
    -------
    McNemar

    References
    ----------
    McNemar, Q. (1947). Note on the sampling error of the difference between correlated proportions
    or percentages. Psychometrika 12(2).
    Dietterich, T. G. (1998). Approximate statistical tests for comparing supervised classification
    learning algorithms. Neural Computation 10(7).
    """
    only_first = int((first & ~second).sum())
    only_second = int((second & ~first).sum())
    tail = float(stats.binom.cdf(min(only_first, only_second), only_first + only_second, 0.5))
    return McNemar(only_first, only_second, min(1.0, 2 * tail))


def difference_interval(first: Booleans, second: Booleans, groups: npt.NDArray[np.int64] | None, resamples: int) -> Interval:
    """Bootstrap the difference of two accuracies on the same examples: whole groups where there are any, else examples.

    Parameters
    ----------
    first, second : ndarray of bool, shape (n,)
        Where each classifier is right; n > 0.
    groups : ndarray of int, shape (n,), or None
        Group of each example.
    resamples : int
        Number of resamples.

    Returns
    -------
    Interval
        2.5th and 97.5th percentile of the accuracy of `second` less that of `first`.

    References
    ----------
    As for `accuracy_interval`.
    """
    generator = np.random.default_rng(_SEED)
    differences = second.astype(np.float64) - first.astype(np.float64)
    if groups is None:
        counts = [np.count_nonzero(differences == value) for value in (-1, 0, 1)]
        drawn = generator.multinomial(len(differences), np.asarray(counts) / len(differences), size=resamples)
        means = (drawn[:, 2] - drawn[:, 0]) / len(differences)
    else:
        means = group_resamples(differences, groups, resamples, generator)
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(low), float(high))
