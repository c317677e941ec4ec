"""Verdicts: rare where there is no difference, sure where there is one, and what is said in between."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from ablations.compare.comparison import Comparison, TestBench
from ablations.compare.verdict import Verdict, decide_verdict, needed

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


@pytest.mark.parametrize(("groups", "of_seeds"), [(31, 0.0), (31, 0.01), (0, 0.01)])
def test_no_difference_is_rarely_called_one(groups: int, of_seeds: float) -> None:
    rng = np.random.default_rng(1)
    pair = [decided(bench(rng, [0.87] * 2, groups=groups, of_seeds=of_seeds).compare(PAIRS[:1], 0.001, 0.05))[0] for _ in range(400)]
    family = [any(decided(bench(rng, [0.87] * 5, groups=groups, of_seeds=of_seeds).compare(PAIRS, 0.001, 0.05))) for _ in range(150)]
    assert np.mean(pair) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)  # the bound, within two standard errors of the simulation
    assert np.mean(family) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 150)


def test_twice_the_detectable_effect_is_called_better() -> None:
    rng = np.random.default_rng(2)
    effect = 2 * np.mean([bench(rng, [0.8] * 2).compare(PAIRS[:1], 0.001, 0.05)[0].detectable for _ in range(60)])
    found = [bench(rng, [0.8, 0.8 + effect]).compare(PAIRS[:1], 0.001, 0.05)[0].verdict for _ in range(200)]
    assert np.mean([verdict is Verdict.BETTER for verdict in found]) >= 0.95


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
    for _ in range(20):
        for one in bench(rng, [0.85, 0.88, 0.8, 0.87, 0.84], of_seeds=0.004).compare(PAIRS, 0.001, 0.05):
            if abs(one.step.adjusted - 0.05) > 0.004:
                assert (one.step.adjusted < 0.05) == (one.interval[0] > 0 or one.interval[1] < 0)


def test_more_seeds_and_examples_are_asked_for_where_they_would_help() -> None:
    rng = np.random.default_rng(4)
    one = bench(rng, [0.86, 0.87], of_seeds=0.01).compare(PAIRS[:1], 0.005, 0.05)[0]
    assert one.verdict is Verdict.UNDECIDED
    assert one.needed is not None
    assert one.needed.seeds is None or one.needed.seeds > 3
    twice = needed(one.accuracy, 2 * one.detectable, 0.05, 427)
    assert twice.seeds is not None
    assert twice.seeds <= 3


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
    assert comparisons[0].accuracy.degrees.seeds in (2.0, 6.0)
    assert any(one.pooled and one.accuracy.degrees.seeds == 6.0 for one in comparisons[:3])
    assert comparisons[3].verdict is Verdict.UNDECIDED
