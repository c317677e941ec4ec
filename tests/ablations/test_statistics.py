"""The statistics against independent computation: SciPy's own tests, cases worked by hand, and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from ablations.compare.bootstrap import Estimate, estimate, make_units, resample_means
from ablations.compare.statistics import holm, pooled_seed_variance, probability_of_outperforming, varies_like_the_others, varies_most
from ablations.compare.uncertainty import Degrees, Variance, detectable, half_width


def test_holm_by_hand() -> None:
    # Sorted: 0.005 · 4 = 0.02; 0.01 · 3 = 0.03; 0.03 · 2 = 0.06; 0.04 · 1 = 0.04, raised to 0.06.
    steps = holm([0.01, 0.04, 0.03, 0.005], 0.05)
    assert [step.adjusted for step in steps] == pytest.approx([0.03, 0.06, 0.06, 0.02])
    # 0.03 > 0.05 / 2: it stops there, and both that are left keep this level.
    assert [step.alpha for step in steps] == pytest.approx([0.05 / 3, 0.05 / 2, 0.05 / 2, 0.05 / 4])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_where_its_own_level_does(p_values: list[float]) -> None:
    for p_value, step in zip(p_values, holm(p_values, 0.05), strict=True):
        if abs(p_value - step.alpha) > 1e-9:
            assert (step.adjusted <= 0.05) == (p_value <= step.alpha)


def test_probability_of_outperforming_counts_ties_half() -> None:
    assert probability_of_outperforming(np.array([[1.0, -1.0], [0.0, 2.0]])) == 2.5 / 4


def test_pooled_variance_is_that_of_differences_where_arms_vary_alike() -> None:
    rng = np.random.default_rng(0)
    pooled = [pooled_seed_variance(rng.normal(0, 0.02, (5, 3)) + rng.normal(0, 0.1, 3)) for _ in range(4000)]
    assert all(entry is not None and entry[1] == 8 for entry in pooled)
    assert np.mean([entry[0] for entry in pooled if entry]) == pytest.approx(2 * 0.02**2 / 3, rel=0.03)  # the seeds' own luck is out
    assert pooled_seed_variance(np.zeros((2, 3))) is None
    assert pooled_seed_variance(np.zeros((5, 1))) is None
    assert not varies_like_the_others(10.0, 2, 1.0, 8)
    assert varies_like_the_others(1.0, 2, 1.0, 8)


def test_an_arm_that_varies_more_is_found_and_few_others_are() -> None:
    rng = np.random.default_rng(8)
    alike = [varies_most(rng.normal(0, 0.01, (5, 3)) + rng.normal(0, 0.05, 3), 0.05) for _ in range(1000)]
    assert np.mean([arm is not None for arm in alike]) <= 0.06
    odd = [varies_most(rng.normal(0, 0.01, (5, 3)) * np.array([[1], [1], [1], [12], [1]])) for _ in range(300)]
    assert np.mean([arm == 3 for arm in odd]) > 0.9
    assert varies_most(np.zeros((3, 3))) is None


def test_detectable_effect_of_one_seed_without_groups_is_the_textbooks() -> None:
    rng = np.random.default_rng(1)
    scores = rng.choice([-1.0, 0.0, 1.0], size=(1, 20_000), p=[0.05, 0.9, 0.05])
    units = make_units(scores, None)
    result = estimate(units, resample_means(units, 500, 0))
    assert result.minimum_detectable_effect() == pytest.approx(2.8 * math.sqrt(0.1 / 20_000), rel=0.03)


def test_resampled_means_are_those_of_drawn_groups() -> None:
    rng = np.random.default_rng(2)
    scores, groups = rng.normal(size=(2, 60)), np.sort(rng.integers(0, 7, 60))
    groups = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    draws = resample_means(make_units(scores, groups), 300, 5)
    chosen = np.random.default_rng(5).integers(0, groups.max() + 1, size=(300, groups.max() + 1))
    by_hand = [np.concatenate([scores[:, groups == group] for group in row], axis=1).mean(axis=1) for row in chosen]
    np.testing.assert_allclose(draws, by_hand)


def test_parts_of_a_variance_by_hand() -> None:
    # Two seeds, four examples, no groups.
    scores = np.array([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]])
    units = make_units(scores, None)
    result = estimate(units, resample_means(units, 100, 0))
    residuals = scores - scores.mean(axis=1, keepdims=True)
    assert result.mean == 0.375
    assert result.variance.examples == pytest.approx(4 / 3 * (residuals.mean(axis=0) ** 2).sum() / 16)
    assert result.variance.interaction == pytest.approx(4 / 3 * residuals.var(axis=0, ddof=1).sum() / 16 / 2)
    assert result.variance.seeds == pytest.approx(np.var([0.25, 0.5], ddof=1) / 2)


def test_answers_that_never_differ_do_not_claim_certainty() -> None:
    units = make_units(np.zeros((3, 50)), None)
    result = estimate(units, resample_means(units, 200, 0))
    low, high = result.interval()
    assert low < 0 < high
    assert result.p_value() == 1.0


def test_a_few_disagreements_to_one_side_decide_nothing() -> None:
    scores = np.zeros((1, 300))
    scores[0, :3] = 1.0  # McNemar: p = 0.25
    units = make_units(scores, None)
    low, _ = estimate(units, resample_means(units, 4000, 0)).interval()
    assert low < 0


@given(st.floats(0.0005, 0.2), st.integers(0, 40))
@settings(deadline=None, max_examples=25)
def test_p_value_is_where_the_interval_meets_zero(alpha: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    units = make_units(rng.normal(0.15, 1, (3, 200)) + rng.normal(0, 0.05, (3, 1)), None)
    result = estimate(units, resample_means(units, 4000, seed))
    low, high = result.interval(alpha)
    if abs(alpha - result.p_value()) > 0.002:
        assert (low > 0 or high < 0) == (result.p_value() < alpha)


def _simulated(rng: np.random.Generator, examples: int, groups: int, seeds: int, of_groups: float, of_seeds: float) -> Estimate:
    """A paired difference of two equally good recipes: −1, 0 or 1 an example, 12 % of them not 0."""
    group = np.concatenate([np.arange(groups), rng.integers(0, groups, examples - groups)]) if groups else None
    tilt = rng.normal(0, of_groups, groups)[group] if group is not None else np.zeros(examples)
    tilt = np.clip(tilt + rng.normal(0, of_seeds, seeds)[:, None], -0.12, 0.12)
    drawn = rng.random((seeds, examples))
    scores = (drawn < (0.12 + tilt) / 2).astype(float) - (drawn > 1 - (0.12 - tilt) / 2)
    units = make_units(scores, group)
    return estimate(units, resample_means(units, 1000, int(rng.integers(2**31))))


@pytest.mark.parametrize(
    ("examples", "groups", "lowest", "highest"),
    [(400, 0, 0.93, 0.97), (600, 100, 0.93, 0.97), (900, 300, 0.93, 0.97), (427, 30, 0.92, 0.985)],
)
def test_interval_over_examples_covers(examples: int, groups: int, lowest: float, highest: float) -> None:
    rng = np.random.default_rng(groups + 1)
    hits = [low <= 0 <= high for low, high in (_simulated(rng, examples, groups, 1, 0.03, 0.0).interval_over_examples() for _ in range(1000))]
    assert lowest <= np.mean(hits) <= highest


@pytest.mark.parametrize(("groups", "of_seeds"), [(30, 0.0), (30, 0.01), (30, 0.03), (0, 0.01), (100, 0.02)])
def test_interval_over_three_seeds_covers_whatever_the_seeds_carry(groups: int, of_seeds: float) -> None:
    rng = np.random.default_rng(7)
    hits = [low <= 0 <= high for low, high in (_simulated(rng, 427, groups, 3, 0.03, of_seeds).interval() for _ in range(1000))]
    assert np.mean(hits) >= 0.94  # 95 % less twice the standard error of 1,000 simulations


@pytest.mark.parametrize("shares", [(0, 1, 0), (0, 0, 1), (1, 0, 0), (1, 1, 0), (1, 0, 1), (4, 0.5, 0.5), (0.25, 0.5, 0.5)])
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_half_width_covers_for_every_share_of_the_variance(shares: tuple[float, float, float], seeds: int) -> None:
    """Normal parts with known sizes: of seeds, of examples, of both together."""
    of_seeds, of_examples, of_both = shares
    rng = np.random.default_rng(3)
    count = 4000
    crossed = rng.normal(0, math.sqrt((of_seeds + of_both) * seeds), (count, seeds))
    errors = crossed.mean(axis=1) + rng.normal(0, math.sqrt(of_examples), count)
    seen = crossed.var(axis=1, ddof=1) / seeds
    degrees = Degrees(400, seeds - 1)
    widths = [half_width(Variance(of_examples + of_both, of_both, float(variance)), degrees, 0.05) for variance in seen]
    assert np.mean(np.abs(errors) <= widths) >= 0.94  # 95 % less three standard errors of the simulation


def test_twice_the_detectable_effect_is_found() -> None:
    degrees = Degrees(30, 2)
    variance = Variance(1.0, 0.5, 1.5)
    effect = 2 * detectable(variance, degrees)
    rng = np.random.default_rng(4)
    crossed = rng.normal(0, math.sqrt(1.5 * 3), (4000, 3))
    means = effect + crossed.mean(axis=1) + rng.normal(0, math.sqrt(0.5), 4000)
    seen = crossed.var(axis=1, ddof=1) / 3
    found = [mean > half_width(Variance(1.0, 0.5, float(variance)), degrees, 0.05) for mean, variance in zip(means, seen, strict=True)]
    assert np.mean(found) >= 0.95


def test_normal_quantile_is_the_limit() -> None:
    assert half_width(Variance(1.0, 0.0, 0.0), Degrees(1e7, 0), 0.05) == pytest.approx(norm.ppf(0.975), rel=1e-5)
