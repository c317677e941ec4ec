"""Figures over predictions, against independent computations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import f1_score, precision_recall_fscore_support, roc_auc_score

from sentiment import metrics


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


@given(predictions(classes=2))
def test_binary_area_is_scikit_learns(case: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probabilities = case
    assert metrics.roc_auc(labels, probabilities) == pytest.approx(roc_auc_score(labels, probabilities[:, 1]))


@given(predictions(classes=4))
def test_area_of_many_classes_is_the_mean_of_each_against_the_rest(case: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probabilities = case
    expected = roc_auc_score(labels, probabilities, multi_class="ovr", average="macro", labels=range(4))
    assert metrics.roc_auc(labels, probabilities) == pytest.approx(expected)
    assert [curve.class_index for curve in metrics.roc_curves(labels, probabilities)] == [0, 1, 2, 3]


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


def test_a_class_never_predicted_counts_as_zero() -> None:
    labels, predicted = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 0])
    assert metrics.macro_f1(labels, predicted, 2) == pytest.approx((2 / 3) / 2)
    assert [report.rows for report in metrics.by_class(labels, predicted, 2)] == [2, 2]


def test_long_curves_are_thinned_but_keep_their_ends() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(2, size=20_000)
    scores = np.clip(0.5 + 0.2 * (labels - 0.5) + generator.normal(0, 0.2, 20_000), 0, 1)
    (curve,) = metrics.roc_curves(labels, np.stack([1 - scores, scores], axis=1))
    assert len(curve.x) <= 500
    assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)


@given(predictions())
def test_averages_are_scikit_learns(case: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probabilities = case
    reports = metrics.by_class(labels, probabilities.argmax(axis=1), 3)
    for average, weighted in (("macro", False), ("weighted", True)):
        expected = precision_recall_fscore_support(labels, probabilities.argmax(axis=1), average=average, zero_division=0)
        found = metrics.average(reports, weighted)
        assert (found.precision, found.recall, found.f1) == pytest.approx(expected[:3])
        assert found.rows == len(labels)


def test_a_class_without_test_rows_counts_nowhere() -> None:
    labels = np.array([0, 1, 0, 1, 0, 1])
    probabilities = np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.5, 0.4, 0.1], [0.6, 0.3, 0.1], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1]])
    assert [curve.class_index for curve in metrics.roc_curves(labels, probabilities)] == [0, 1]
    assert metrics.roc_auc(labels, probabilities) == pytest.approx(
        np.mean([roc_auc_score(labels == index, probabilities[:, index]) for index in (0, 1)])
    )
    assert metrics.macro_f1(labels, probabilities.argmax(axis=1), 3) == pytest.approx(f1_score(labels, probabilities.argmax(axis=1), average="macro"))
    assert np.isnan(metrics.roc_auc(np.zeros(6, dtype=np.int64), probabilities[:, :2]))


@given(predictions())
def test_the_mean_of_roc_curves_has_the_mean_area_and_runs_from_corner_to_corner(case: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probabilities = case
    x, y = metrics.mean_curve(metrics.roc_curves(labels, probabilities))
    assert (x[0], x[-1], y[-1]) == (0.0, 1.0, 1.0)
    assert (np.diff(y) >= -1e-12).all()
    assert np.trapezoid(y, x) == pytest.approx(metrics.roc_auc(labels, probabilities), abs=0.01)


def test_the_most_frequent_mistakes_come_first() -> None:
    counts = np.array([[9, 2, 0], [5, 9, 1], [0, 0, 9]])
    assert metrics.confused_pairs(counts, 2) == [(1, 0, 5), (0, 1, 2)]
    assert metrics.confused_pairs(np.eye(3, dtype=np.int64), 5) == []
