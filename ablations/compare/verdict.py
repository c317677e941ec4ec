"""What may be concluded from a difference and its interval, and what it would take to conclude more."""

from bisect import bisect_left
from dataclasses import dataclass
from enum import StrEnum

from ablations.compare.bootstrap import Estimate
from ablations.compare.uncertainty import Degrees, Variance, detectable

_MOST_SEEDS = 200


class Verdict(StrEnum):
    """What a comparison comes to."""

    BETTER = "better"
    WORSE = "worse"
    EQUAL = "practically equal"
    UNDECIDED = "not distinguishable"


@dataclass(frozen=True)
class Needed:
    """What it would take to tell a difference of this size.

    Attributes
    ----------
    effect : float
        The larger of the difference seen and the margin.
    seeds : int or None
        Seeds an arm, with this test set; None where no number of them is enough.
    examples : int or None
        Test examples, with these seeds; None where no number of them is enough.
    """

    effect: float
    seeds: int | None
    examples: int | None


def decide_verdict(interval: tuple[float, float], margin: float, seeds: int) -> Verdict:
    """Turn an interval into a verdict.

    Parameters
    ----------
    interval : (float, float)
        Corrected interval of the difference in accuracy, over seeds and test examples.
    margin : float
        Margin of practical equality.
    seeds : int
        Seeds behind it. One seed says how two models differ, and nothing about two recipes.

    Returns
    -------
    Verdict
        Practically equal where the whole interval lies within the margin, even where it leaves
        zero out: a difference that is sure and does not matter.
    """
    low, high = interval
    if seeds < 2:
        return Verdict.UNDECIDED
    if -margin < low and high < margin:
        return Verdict.EQUAL
    if low > 0:
        return Verdict.BETTER
    if high < 0:
        return Verdict.WORSE
    return Verdict.UNDECIDED


def needed(result: Estimate, effect: float, alpha: float, examples: int) -> Needed:
    """Say how many seeds, or how many test examples, would tell a difference of this size (power 80 %).

    Parameters
    ----------
    result : Estimate
        Tells how large each part of the variance is.
    effect : float
        The true difference to tell.
    alpha : float
        The corrected level.
    examples : int
        Test examples now.

    Returns
    -------
    Needed
    """
    # With one seed nothing is known of their variance: the chance on single examples is a lower bound.
    lone = result.seeds < 2
    seed_variance = result.variance.seeds if not lone else 0.0
    interaction = result.variance.interaction if not lone else result.variance.examples
    persistent = result.variance.examples - interaction
    per_degree = result.degrees.seeds / (result.seeds - 1) if not lone else 1.0

    def with_seeds(seeds: int) -> float:
        share = result.seeds / seeds
        variance = Variance(persistent + interaction * share, interaction * share, max(seed_variance, interaction) * share)
        return detectable(variance, Degrees(result.degrees.examples, per_degree * (seeds - 1)), alpha)

    def with_examples(times: float) -> float:
        beyond = max(seed_variance - interaction, 0.0)
        variance = Variance(result.variance.examples / times, interaction / times, beyond + min(seed_variance, interaction) / times)
        return detectable(variance, Degrees(result.degrees.examples * times, result.degrees.seeds), alpha)

    counts = range(max(2, result.seeds), _MOST_SEEDS + 1)
    fewest = bisect_left(counts, True, key=lambda count: with_seeds(count) <= effect)  # each seed makes the interval narrower
    seeds = counts[fewest] if fewest < len(counts) else None
    times: float | None = None
    if not lone and with_examples(1e6) <= effect:
        low, high = 0.0, 6.0  # of log10
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (low, middle) if with_examples(10**middle) <= effect else (middle, high)
        times = 10**high
    return Needed(effect, seeds, None if times is None else _two_digits(examples * times))


def _two_digits(value: float) -> int:
    scale = 10 ** max(0, len(str(int(value))) - 2)
    return int(-(-value // scale) * scale)
