"""The mean of a score over test examples and seeds, and how sure it is: a bootstrap with its small-sample correction.

A score is anything that each trained model has on each test example: right or wrong, a loss, or
the difference of two models in either. Two things make its mean uncertain. The test examples are
a sample (of whole groups, where reviews of one film resemble each other), and the seeds are a
sample of all trainings of the same recipe. Both are resampled here.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from ablations.compare.uncertainty import Degrees, Variance, detectable, half_width, student

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

_CELLS_AT_ONCE = 4_000_000  # resampled counts held in memory at a time: 32 MB


@dataclass(frozen=True)
class Units:
    """Scores added up within what is resampled as one: a group, or a single example.

    Attributes
    ----------
    sums : ndarray of float, shape (units, columns)
        Total score of each unit, one column a trained model.
    sizes : ndarray of float, shape (units,)
        Examples in each unit.
    """

    sums: Floats
    sizes: Floats

    @property
    def means(self) -> Floats:
        """Mean score of each column over all examples."""
        means: Floats = self.sums.sum(axis=0) / self.sizes.sum()
        return means

    def combine(self, weights: Floats) -> "Units":
        """Return units whose columns are linear combinations of these, such as differences.

        Parameters
        ----------
        weights : ndarray of float, shape (columns, new columns)
            One column of weights for each new one.
        """
        return Units(self.sums @ weights, self.sizes)


def make_units(scores: Floats, groups: Codes | None) -> Units:
    """Add scores up within groups.

    Parameters
    ----------
    scores : ndarray of float, shape (columns, examples)
        One row a trained model.
    groups : ndarray of int, shape (examples,), or None
        Group of each example, coded 0 … groups - 1; None where each example stands for itself.

    Returns
    -------
    Units
        One unit a group or example.
    """
    if groups is None:
        return Units(np.ascontiguousarray(scores.T), np.ones(scores.shape[1]))
    count = int(groups.max()) + 1
    sums = np.stack([np.bincount(groups, weights=row, minlength=count).astype(np.float64) for row in scores], axis=1)
    return Units(sums, np.bincount(groups, minlength=count).astype(np.float64))


def resample_means(units: Units, resamples: int, seed: int) -> Floats:
    """Draw units with replacement and return the mean of every column in each draw.

    All columns see the same draws: differences between them are paired by example.

    Parameters
    ----------
    units : Units
        What is drawn from.
    resamples : int
        Number of draws.
    seed : int
        Seed of the draws.

    Returns
    -------
    ndarray of float, shape (resamples, columns)
        Σ score / Σ size of the drawn units.
    """
    generator = np.random.default_rng(seed)
    count = len(units.sizes)
    table = np.column_stack([units.sums, units.sizes])
    draws = np.empty((resamples, table.shape[1] - 1))
    step = max(1, _CELLS_AT_ONCE // count)
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        chosen = generator.integers(0, count, size=(rows, count))
        chosen += np.arange(rows)[:, None] * count
        times_drawn = np.bincount(chosen.ravel(), minlength=rows * count).reshape(rows, count)
        totals = times_drawn.astype(np.float64) @ table
        draws[start : start + rows] = totals[:, :-1] / totals[:, -1:]
    return draws


@dataclass(frozen=True)
class Estimate:
    """A mean over test examples and seeds, with its uncertainty.

    Attributes
    ----------
    mean : float
        The estimate.
    seeds : int
        Seeds behind it.
    variance : Variance
        Of the mean.
    degrees : Degrees
        Of the variance.
    deviates : ndarray of float, sorted
        Means of the resampled examples, less `mean`, over their standard deviation.
    """

    mean: float
    seeds: int
    variance: Variance
    degrees: Degrees
    deviates: Floats

    @property
    def standard_error(self) -> float:
        """Square root of the variance of the mean."""
        return float(np.sqrt(self.variance.total))

    def interval_over_examples(self, alpha: float = 0.05) -> tuple[float, float]:
        """Return the interval for these trained models: other test examples, the same seeds.

        Bootstrap percentiles, stretched twice: by the ratio of the unbiased standard error to the
        bootstrap's own, which is too small by (n - 1) / n, and by the ratio of Student's quantile
        to the normal one. Without either, 30 groups cover less than they say (Hesterberg 2015,
        section 4.3). No end is nearer than Student's own.

        Parameters
        ----------
        alpha : float
            One less the coverage.

        Returns
        -------
        low, high : float

        References
        ----------
        Hesterberg, T. (2015). What Teachers Should Know About the Bootstrap. The American
        Statistician 69(4), arXiv:1411.5279.
        """
        return self._around(student(alpha, self.degrees.examples) * float(np.sqrt(self.variance.examples)), alpha)

    def interval(self, alpha: float = 0.05) -> tuple[float, float]:
        """Return the interval for the recipe: other test examples and other seeds.

        Its half-width adds the parts' own half-widths as squares (see `half_width`); the shape is
        that of the resampled examples. With one seed it is `interval_over_examples`.

        Parameters
        ----------
        alpha : float
            One less the coverage.

        Returns
        -------
        low, high : float
        """
        return self._around(half_width(self.variance, self.degrees, alpha), alpha)

    def p_value(self) -> float:
        """Return the smallest `alpha` whose `interval` leaves zero out.

        Below what the number of resamples can show, the normal shape stands in for theirs.
        """
        if self.mean == 0.0:
            return 1.0
        finest, widest = 4.0 / len(self.deviates), 0.999

        def margin(alpha: float) -> float:
            low, high = self.interval(alpha)
            return low if self.mean > 0 else -high

        def normal_margin(alpha: float) -> float:
            return abs(self.mean) - half_width(self.variance, self.degrees, alpha)

        if margin(widest) <= 0:
            return 1.0
        if margin(finest) < 0:
            return float(optimize.brentq(margin, finest, widest, xtol=1e-7))
        return float(optimize.brentq(normal_margin, 1e-12, finest)) if normal_margin(1e-12) < 0 < normal_margin(finest) else finest

    def minimum_detectable_effect(self, alpha: float = 0.05, power: float = 0.8) -> float:
        """Return the true mean that would be told from zero with this probability.

        With one seed, no groups and many examples it is 2.8 · sqrt(d / n), d the share of
        examples on which two models disagree.
        """
        return detectable(self.variance, self.degrees, alpha, power)

    def _around(self, half: float, alpha: float) -> tuple[float, float]:
        low, high = np.quantile(self.deviates, [alpha / 2, 1 - alpha / 2]) * (half / float(stats.norm.ppf(1 - alpha / 2)))
        # Where two models disagree on a handful of examples, and always to one side, no resample shows the other side:
        # neither end may be nearer than in a symmetric interval.
        return self.mean + min(float(low), -half), self.mean + max(float(high), half)


def estimate(units: Units, draws: Floats, pooled: tuple[float, float] | None = None) -> Estimate:
    """Estimate a mean from scores in which every seed's model meets every test example.

    The variance is that of a two-way layout: the part of the groups, as in cluster-robust
    standard errors of a mean, and the part of the seeds. What chance does on single examples
    stands in both and is counted once (Cameron, Gelbach and Miller 2011). Resampling rows and
    columns at once would count it up to three times (Owen 2007), and with three seeds, of which
    a resample leaves 10 different sets, give the seeds' spread a shape that it does not have: so
    the examples are resampled, and the seeds enter by their variance and Student's quantile.

    Parameters
    ----------
    units : Units
        One column a seed.
    draws : ndarray of float, shape (resamples, seeds)
        `resample_means` of the same units.
    pooled : (float, float), optional
        Variance of the mean over seeds and its degrees of freedom, where they come from more than
        these seeds (see `ablations.compare.comparison`); else from these alone.

    Returns
    -------
    Estimate

    References
    ----------
    Cameron, A. C., Gelbach, J. B. and Miller, D. L. (2011). Robust Inference with Multiway
    Clustering. Journal of Business & Economic Statistics 29(2).
    Owen, A. B. (2007). The pigeonhole bootstrap. Annals of Applied Statistics 1(2), arXiv:0712.1111.
    """
    means = units.means
    mean, seeds = float(means.mean()), len(means)
    count, examples = len(units.sizes), float(units.sizes.sum())
    small_sample = count / max(count - 1, 1)
    residuals = units.sums - units.sizes[:, None] * means[None, :]
    by_examples = small_sample * float((residuals.mean(axis=1) ** 2).sum()) / examples**2
    # Where no example differs at all, the variance is unknown, not zero: as if one of them did, once.
    by_examples = max(by_examples, 1.0 / (examples**2 * seeds))
    interaction = by_seeds = seed_degrees = 0.0
    if seeds > 1:
        interaction = small_sample * float(residuals.var(axis=1, ddof=1).sum()) / examples**2 / seeds
        by_seeds, seed_degrees = pooled if pooled is not None else (float(means.var(ddof=1)) / seeds, seeds - 1.0)
    # Groups of unequal size tell less than as many equal ones; the effective number is that of equal ones.
    effective = examples**2 / float((units.sizes**2).sum())
    deviations = draws.mean(axis=1) - mean
    spread = float(np.sqrt(np.mean(deviations**2)))
    normal = stats.norm.ppf((np.arange(len(draws)) + 0.5) / len(draws))
    deviates = np.sort(deviations / spread) if spread > 0 else normal
    return Estimate(
        mean,
        seeds,
        Variance(by_examples, min(interaction, by_examples), by_seeds),
        Degrees(max(effective - 1.0, 1.0), seed_degrees),
        deviates,
    )
