"""Two classifiers on the same examples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from sentiment.evaluation.paired_answers import difference_interval, mcnemar


@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 50), st.integers(0, 50))
@settings(deadline=None, max_examples=60)
def test_mcnemar_is_scipys_exact_binomial_test_of_the_disagreements(only_first: int, only_second: int, both: int, neither: int) -> None:
    first = np.repeat([True, False, True, False], [only_first, only_second, both, neither])
    second = np.repeat([False, True, True, False], [only_first, only_second, both, neither])
    result = mcnemar(first, second)
    expected = binomtest(only_first, only_first + only_second, 0.5).pvalue if only_first + only_second else 1.0
    assert (result.only_first, result.only_second) == (only_first, only_second)
    assert result.p_value == pytest.approx(expected, rel=1e-9)


def test_mcnemar_by_hand() -> None:
    # 1 against 5 of 6: 2 · (C(6,0) + C(6,1)) / 2^6 = 14/64
    first = np.array([True] + [False] * 5)
    assert mcnemar(first, ~first).p_value == pytest.approx(14 / 64)


def test_the_interval_of_a_difference_covers_the_true_one_and_is_that_of_a_binomial() -> None:
    generator = np.random.default_rng(1)
    inside = 0
    for _ in range(300):
        first, second = generator.random(400) < 0.9, generator.random(400) < 0.8
        interval = difference_interval(first, second, None, 500)
        inside += interval.low <= -0.1 <= interval.high
    assert 0.92 <= inside / 300 <= 0.98


def test_the_same_answers_do_not_differ_and_groups_widen_the_interval() -> None:
    generator = np.random.default_rng(2)
    first = generator.random(400) < 0.9
    assert difference_interval(first, first, None, 200) == difference_interval(first, first, np.arange(400), 200)
    assert difference_interval(first, first, None, 200).low == 0
    groups = np.repeat(np.arange(20), 20)
    second = first & (groups % 2 == 0)  # a group is lost as a whole
    rows, whole = difference_interval(first, second, None, 2000), difference_interval(first, second, groups, 2000)
    assert whole.high - whole.low > 3 * (rows.high - rows.low)
    single = difference_interval(first, second, np.arange(400), 4000)
    assert (single.low, single.high) == pytest.approx((rows.low, rows.high), abs=0.01)
