"""Verdicts: rare where there is no difference, sure where there is one, and what is said in between."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm, t

from ablations.compare.bootstrap import Estimate
from ablations.compare.comparison import Comparison, TestBench
from ablations.compare.uncertainty import Degrees, Variance
from ablations.compare.verdict import Needed, Verdict, decide_verdict, needed

SIMULATIONS = 300
PAIRS = [("a1", "a0"), ("a2", "a1"), ("a3", "a0"), ("a4", "a0")]


def bench(
    rng: np.random.Generator, accuracies: list[float], seeds: int = 3, examples: int = 427, groups: int = 31, of_seeds: float = 0.008
) -> TestBench:
    """Arms that find hard what all find hard, with an opinion of their own and one of each training."""
    of_group = np.concatenate([np.arange(groups), rng.integers(0, groups, examples - groups)]) if groups else None
    shared = rng.normal(size=examples) if of_group is None else 0.9 * rng.normal(size=examples) + 0.4 * rng.normal(size=groups)[of_group]
    luck = rng.normal(0, of_seeds / 2, seeds)
    made: dict[tuple[str, int], Any] = {}
    for arm, accuracy in enumerate(accuracies):
        own = rng.normal(size=examples)
        for seed in range(seeds):
            score = np.sqrt(0.7) * shared + np.sqrt(0.1) * own + np.sqrt(0.2) * rng.normal(size=examples)
            correct = score < norm.ppf(np.clip(accuracy + luck[seed] + rng.normal(0, of_seeds), 0.01, 0.99))
            answers = SimpleNamespace(correct=correct, losses=np.where(correct, 0.1, 1.5), groups=of_group, labels=np.zeros(examples, dtype=int))
            made[f"a{arm}", seed] = SimpleNamespace(answers=answers)
    return TestBench(made, 1000)


def decided(comparisons: list[Comparison]) -> list[bool]:
    return [one.verdict in (Verdict.BETTER, Verdict.WORSE) for one in comparisons]


def rates(of_seeds: float, groups: int, accuracy: float) -> tuple[float, float]:
    """How often arms that are equally good are called different: in one comparison, and in a family of four."""
    rng = np.random.default_rng(1)

    def found(arms: int, pairs: list[tuple[str, str]]) -> list[bool]:
        return decided(bench(rng, [accuracy] * arms, groups=groups, of_seeds=of_seeds).compare(pairs, 0.001, 0.05))

    return float(np.mean([any(found(2, PAIRS[:1])) for _ in range(SIMULATIONS)])), float(np.mean([any(found(5, PAIRS)) for _ in range(SIMULATIONS)]))


@pytest.mark.parametrize(("groups", "of_seeds"), [(31, 0.0), (31, 0.01), (0, 0.01)])
def test_no_difference_is_rarely_called_one(groups: int, of_seeds: float) -> None:
    # Both parts of the variance are of one size, where the intervals are wider than they must be.
    pair, family = rates(of_seeds, groups, 0.87)
    assert pair <= 0.05
    assert family <= 0.05


def test_where_seeds_carry_the_variance_the_level_is_the_one_asked_for() -> None:
    # Two standard errors of the simulation to either side. Without a correction, one family in seven would err.
    error = 2 * np.sqrt(0.05 * 0.95 / SIMULATIONS)
    assert rates(0.06, 0, 0.6) == pytest.approx((0.05, 0.05), abs=error)


@pytest.mark.parametrize(("times", "lowest", "highest"), [(0.5, 0.0, 0.3), (1.0, 0.55, 0.85), (2.0, 0.97, 1.0)])
def test_the_detectable_effect_is_mostly_found_and_twice_of_it_nearly_always(times: float, lowest: float, highest: float) -> None:
    rng = np.random.default_rng(2)
    effect = times * np.mean([bench(rng, [0.8] * 2).compare(PAIRS[:1], 0.001, 0.05)[0].detectable for _ in range(60)])
    found = [bench(rng, [0.8, 0.8 + effect]).compare(PAIRS[:1], 0.001, 0.05)[0].verdict for _ in range(200)]
    assert lowest <= np.mean([verdict is Verdict.BETTER for verdict in found]) <= highest
    assert Verdict.WORSE not in found


@pytest.mark.parametrize(
    ("interval", "seeds", "verdict"),
    [
        ((0.002, 0.04), 3, Verdict.BETTER),
        ((-0.04, -0.002), 3, Verdict.WORSE),
        ((-0.009, 0.009), 3, Verdict.EQUAL),
        ((0.001, 0.009), 3, Verdict.EQUAL),
        ((-0.02, 0.009), 3, Verdict.UNDECIDED),
        ((0.002, 0.04), 1, Verdict.UNDECIDED),
    ],
)
def test_decide(interval: tuple[float, float], seeds: int, verdict: Verdict) -> None:
    assert decide_verdict(interval, 0.01, seeds) is verdict


def test_an_interval_and_its_corrected_p_value_agree() -> None:
    rng = np.random.default_rng(3)
    significant = []
    for _ in range(20):
        for one in bench(rng, [0.85, 0.88, 0.8, 0.87, 0.84], of_seeds=0.004).compare(PAIRS, 0.001, 0.05):
            if abs(one.step.adjusted - 0.05) > 0.004:
                significant.append(one.step.adjusted < 0.05)
                assert significant[-1] == (one.interval[0] > 0 or one.interval[1] < 0)
    assert 20 <= sum(significant) <= len(significant) - 20


def known(seeds: int, examples: float, interaction: float, of_seeds: float, degrees: Degrees) -> Estimate:
    """An estimate whose variance is given: parts of the variance of its mean."""
    return Estimate(0.0, seeds, Variance(examples, interaction, of_seeds), degrees, np.zeros(3))


@pytest.mark.parametrize("effect", [0.012, 0.02, 0.04])
def test_the_seeds_that_are_asked_for_are_the_fewest_that_tell_the_effect(effect: float) -> None:
    # Seeds carry all of the variance, 0.01² for one of them: Student's interval, and 80 % of the normal to one side of it.
    def told(seeds: int) -> float:
        return float((t.ppf(0.975, seeds - 1) + norm.ppf(0.8)) * 0.01 / np.sqrt(seeds))

    asked = needed(known(3, 1e-12, 0.0, 0.01**2 / 3, Degrees(1e6, 2)), effect, 0.05, 427).seeds
    assert asked is not None
    assert told(asked) <= effect
    assert asked == 3 or told(asked - 1) > effect


def test_seeds_cannot_make_up_for_few_test_examples_nor_examples_for_few_seeds() -> None:
    # The normal limit, 2.8 standard errors: 0.01² that the examples carry leaves 0.028 at the least, of any number of seeds.
    of_examples = known(3, 0.01**2, 0.0, 1e-12, Degrees(1e6, 2))
    assert needed(of_examples, 0.027, 0.05, 1000).seeds is None
    assert needed(of_examples, 0.029, 0.05, 1000).seeds == 3
    # A quarter of the effect wants 16 times the examples; the number is rounded up to two digits.
    many = needed(of_examples, 2.8016 * 0.01 / 4, 0.05, 1000).examples
    assert many in (16000, 17000)
    assert needed(known(3, 1e-12, 0.0, 0.01**2, Degrees(1e6, 2)), 0.04, 0.05, 1000).examples is None


def test_what_is_undecided_says_what_it_would_take() -> None:
    rng = np.random.default_rng(4)
    one = bench(rng, [0.86, 0.87], of_seeds=0.01).compare(PAIRS[:1], 0.005, 0.05)[0]
    assert one.verdict is Verdict.UNDECIDED
    assert one.needed == needed(one.accuracy, max(abs(one.accuracy.mean), 0.005), 0.05, 427)
    assert needed(one.accuracy, 2 * one.detectable, 0.05, 427) == Needed(2 * one.detectable, 3, 430)  # what there is, is enough


def test_seeds_that_only_one_arm_has_are_left_out() -> None:
    rng = np.random.default_rng(5)
    full = bench(rng, [0.85, 0.9])
    experiments = {key: value for key, value in full._experiments.items() if key != ("a1", 2)}
    (one,) = TestBench(experiments, 1000).compare(PAIRS[:1], 0.01, 0.05)
    assert one.seeds == [0, 1]
    assert one.accuracy.mean == pytest.approx(
        np.mean([np.mean(experiments["a1", seed].answers.correct) - np.mean(experiments["a0", seed].answers.correct) for seed in (0, 1)])
    )


def test_an_arm_with_one_seed_does_not_rob_the_others_of_their_pool() -> None:
    rng = np.random.default_rng(6)
    full = bench(rng, [0.85] * 5)
    experiments = {key: value for key, value in full._experiments.items() if key[0] != "a4" or key[1] == 0}
    comparisons = TestBench(experiments, 1000).compare(PAIRS, 0.01, 0.05)
    # Four arms with three seeds each are left to pool: (4 - 1)(3 - 1) degrees of freedom.
    assert [(one.pooled, one.accuracy.degrees.seeds) for one in comparisons] == [(True, 6.0)] * 3 + [(False, 0.0)]
    assert comparisons[3].seeds == [0]
    assert comparisons[3].verdict is Verdict.UNDECIDED
