"""How sure a mean over test examples and seeds is: its variance, how well that is known, and the interval that follows."""

from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Variance:
    """Where the variance of a mean over test examples and seeds comes from.

    Attributes
    ----------
    examples : float
        Due to the choice of test examples or groups, with these seeds. Contains `interaction`.
    interaction : float
        The part of `examples` that more seeds would average away: chance on single examples.
    seeds : float
        Variance of the mean over seeds, as it is seen: it contains `interaction` as well. Zero
        where there is one seed, as nothing is known then.
    """

    examples: float
    interaction: float
    seeds: float

    @property
    def total(self) -> float:
        """The interaction counted once."""
        return self.examples + max(self.seeds - self.interaction, 0.0)


@dataclass(frozen=True)
class Degrees:
    """Degrees of freedom: how well the parts of a variance are known.

    Attributes
    ----------
    examples : float
        Effective number of groups (or examples), less one.
    seeds : float
        Seeds less one, or more where the variance over seeds is pooled over several pairs; 0 where
        there is one seed.
    """

    examples: float
    seeds: float


def half_width(variance: Variance, degrees: Degrees, alpha: float) -> float:
    """Return the half-width of an interval over test examples and seeds.

    Each part of the variance keeps its own Student quantile, and the squares add up. A single
    quantile with Satterthwaite's degrees of freedom covers 92 % instead of 95 where three seeds
    carry most of the variance, as it trusts a variance that came out small by luck; this form
    covers at least 95 % whatever the shares are, and exactly 95 where one part is all (the tests
    simulate both).

    Parameters
    ----------
    variance : Variance
        Of the mean.
    degrees : Degrees
        Of the variance.
    alpha : float
        One less the coverage.

    Returns
    -------
    float

    References
    ----------
    Graybill, F. A. and Wang, C.-M. (1980). Confidence Intervals on Nonnegative Linear Combinations
    of Variances. Journal of the American Statistical Association 75 (adding parts as squares).
    """
    of_examples = student(alpha, degrees.examples)
    shared = of_examples**2 * variance.interaction
    if degrees.seeds > 0:
        shared = max(shared, student(alpha, degrees.seeds) ** 2 * variance.seeds)
    return float(np.sqrt(of_examples**2 * (variance.examples - variance.interaction) + shared))


def detectable(variance: Variance, degrees: Degrees, alpha: float = 0.05, power: float = 0.8) -> float:
    """Return the smallest true mean whose interval leaves zero out with probability `power`."""
    return half_width(variance, degrees, alpha) + float(stats.norm.ppf(power)) * float(np.sqrt(variance.total))


def student(alpha: float, degrees: float) -> float:
    """Return the two-sided quantile of Student's distribution."""
    return float(stats.t.ppf(1 - alpha / 2, degrees))
