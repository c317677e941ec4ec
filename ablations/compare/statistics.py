"""Tests over several trainings: Holm for several comparisons, and how much seeds vary."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

# A pool of variances is left early: with three seeds an arm that truly varies more is hard to tell, and pooled too
# tightly it would look better or worse too often (the tests simulate it).
ARM_LEVEL = 0.2
PAIR_LEVEL = 0.25

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class HolmStep:
    """What Holm's procedure says of one comparison.

    Attributes
    ----------
    adjusted : float
        The adjusted p-value: below the family's alpha where the comparison stands.
    alpha : float
        The level at which its own interval is to be drawn: it leaves zero out exactly where
        `adjusted` is below the family's alpha.
    """

    adjusted: float
    alpha: float


def holm(p_values: Sequence[float], alpha: float = 0.05) -> list[HolmStep]:
    """Correct several comparisons, so that a false one among them is as rare as in a single test.

    Parameters
    ----------
    p_values : sequence of float
        One a comparison.
    alpha : float
        Probability of one or more false findings in the whole family.

    Returns
    -------
    list of HolmStep
        In the order of `p_values`.

    References
    ----------
    Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal
    of Statistics 6(2).
    """
    count = len(p_values)
    steps: list[HolmStep] = [HolmStep(1.0, alpha)] * count
    adjusted, level = 0.0, 0.0
    stopped = False
    for rank, index in enumerate(sorted(range(count), key=lambda index: p_values[index])):
        adjusted = max(adjusted, min(1.0, (count - rank) * p_values[index]))
        if not stopped:  # from the first comparison that does not stand, all others keep its level
            level = alpha / (count - rank)
            stopped = p_values[index] > level
        steps[index] = HolmStep(adjusted, level)
    return steps


def probability_of_outperforming(differences: Floats) -> float:
    """Return how often one recipe beats the other when both are trained and tested once more.

    Parameters
    ----------
    differences : ndarray of float, shape (resamples, seeds)
        Difference of each paired seed on each resampled test set.

    Returns
    -------
    float
        Share of positive ones, ties counted half.

    References
    ----------
    Bouthillier, X. et al. (2021). Accounting for Variance in Machine Learning Benchmarks.
    MLSys, arXiv:2103.03098. There, 0.75 and more is called meaningful.
    """
    return float(np.mean((differences > 0) + 0.5 * (differences == 0)))


def pooled_seed_variance(scores: Floats) -> tuple[float, float] | None:
    """Return the variance of a paired difference over seeds, pooled over all arms.

    The residual of the two-way table arms × seeds, as in an analysis of variance: what is left
    once each arm has its mean and each seed its own luck. It takes the arms to vary alike.

    Parameters
    ----------
    scores : ndarray of float, shape (arms, seeds)
        Mean score of every training.

    Returns
    -------
    (float, float) or None
        Variance of the mean difference of two arms, and its degrees of freedom,
        (arms - 1)(seeds - 1). None with fewer than three arms or two seeds: nothing to pool.
    """
    arms, seeds = scores.shape
    if arms < 3 or seeds < 2:
        return None
    residuals = scores - scores.mean(axis=1, keepdims=True) - scores.mean(axis=0, keepdims=True) + scores.mean()
    degrees = float((arms - 1) * (seeds - 1))
    return 2 * float((residuals**2).sum()) / degrees / seeds, degrees


def varies_most(scores: Floats, alpha: float = ARM_LEVEL) -> int | None:
    """Return the arm that varies more over seeds than the others do, if there is one.

    Each arm's distance from the mean of the others, seed by seed, has a variance; it is tested against the
    pooled one of the others (F test, corrected for the number of arms). Such an arm, one that stops early by chance,
    say, would widen every other comparison, and must not be narrowed by them.

    Parameters
    ----------
    scores : ndarray of float, shape (arms, seeds)
        Mean score of every training.
    alpha : float
        Probability of finding one where all vary alike.

    Returns
    -------
    int or None
        Its row. None with fewer than four arms: three must be left to pool.
    """
    arms, seeds = scores.shape
    if arms < 4 or seeds < 2:
        return None
    found: tuple[float, int] | None = None
    for arm in range(arms):
        others = np.delete(scores, arm, axis=0)
        pooled = pooled_seed_variance(others)
        assert pooled is not None, "three arms or more are left"
        of_one = pooled[0] * seeds / 2 * (1 + 1 / (arms - 1))
        own = float((scores[arm] - others.mean(axis=0)).var(ddof=1))
        p_value = float(stats.f.sf(own / of_one, seeds - 1, pooled[1])) if of_one > 0 else float(own == 0)
        if p_value < alpha / arms and (found is None or p_value < found[0]):
            found = p_value, arm
    return None if found is None else found[1]


def varies_like_the_others(own: float, own_degrees: float, pooled: float, pooled_degrees: float) -> bool:
    """Tell whether a pair's variance over seeds may be replaced by the pooled one.

    An F test from above: a pair that varies more than the others keeps its own variance, and with it
    the few degrees of freedom that it has.
    """
    return own <= pooled * float(stats.f.ppf(1 - PAIR_LEVEL, own_degrees, pooled_degrees))
