"""Figures over predictions, against independent computations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import precision_recall_fscore_support

from sentiment.evaluation import metrics


@st.composite
def predictions(draw: st.DrawFn, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rows = draw(st.integers(classes, 60))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    probabilities = generator.dirichlet(np.ones(classes), size=rows)
    labels = np.concatenate([np.arange(classes), generator.integers(classes, size=rows - classes)])
    return labels, probabilities


@given(rows=st.integers(1, 500), data=st.data())
def test_wilson_is_scipys(rows: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, rows))
    expected = binomtest(right, rows).proportion_ci(method="wilson")
    interval = metrics.wilson(right, rows)
    assert interval.low == pytest.approx(expected.low, abs=1e-9)
    assert interval.high == pytest.approx(expected.high, abs=1e-9)


@given(predictions())
def test_calibration_error_is_that_of_a_plain_loop(case: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probabilities = case
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    expected = 0.0
    for low in np.arange(metrics.CALIBRATION_BINS) / metrics.CALIBRATION_BINS:
        mask = (confidence > low) & (confidence <= low + 1 / metrics.CALIBRATION_BINS)
        if mask.any():
            expected += mask.mean() * abs(correct[mask].mean() - confidence[mask].mean())
    result = metrics.calibration(probabilities, labels)
    assert result.error == pytest.approx(expected, abs=1e-9)
    assert result.rows.sum() == len(labels)


def test_the_interval_without_groups_covers_as_it_says() -> None:
    generator = np.random.default_rng(1)
    covered = 0
    for _ in range(300):
        interval = metrics.accuracy_interval(generator.random(400) < 0.85, None, 400)
        covered += interval.low <= 0.85 <= interval.high
    assert 0.91 <= covered / 300 <= 0.985


def test_groups_that_agree_within_themselves_widen_the_interval() -> None:
    groups = np.repeat([f"film {number}" for number in range(30)], 20)
    correct = np.repeat(np.arange(30) % 5 != 0, 20)
    alone, together = (metrics.accuracy_interval(correct, given_groups, 2000) for given_groups in (None, groups))
    assert together.high - together.low > 3 * (alone.high - alone.low)


def test_the_same_predictions_give_the_same_interval() -> None:
    correct = np.arange(200) % 7 != 0
    groups = np.array([f"{row // 9}" for row in range(200)])
    assert metrics.accuracy_interval(correct, groups, 500) == metrics.accuracy_interval(correct, groups, 500)


@given(predictions(classes=4))
def test_averages_are_scikit_learns_and_the_weighted_recall_is_the_accuracy(case: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probabilities = case
    predicted = probabilities.argmax(axis=1)
    found = metrics.averages(metrics.by_class(labels, predicted, 4))
    for name, average in found.items():
        expected = precision_recall_fscore_support(labels, predicted, labels=range(4), average=name, zero_division=0)[:3]
        assert (average.precision, average.recall, average.f1) == pytest.approx(expected)
        assert average.rows == len(labels)
    assert found["weighted"].recall == pytest.approx((predicted == labels).mean())


def test_a_class_never_predicted_counts_as_zero() -> None:
    labels, predicted = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 0])
    reports = metrics.by_class(labels, predicted, 2)
    assert metrics.averages(reports)["macro"].f1 == pytest.approx((2 / 3) / 2)
    assert [report.rows for report in reports] == [2, 2]


def test_a_class_without_rows_is_left_out_of_the_averages() -> None:
    labels, predicted = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    macro = metrics.averages(metrics.by_class(labels, predicted, 3))["macro"]
    assert (macro.precision, macro.recall) == (1.0, 0.75)
