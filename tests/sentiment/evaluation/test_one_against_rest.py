"""One class against the others: curves, areas and averages against independent computations; which class is taken for which."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from sentiment.evaluation.confusion import confusion_counts, most_confused, shares_of_true_class
from sentiment.evaluation.one_against_rest import precision_recall_curves, roc_curves
from tests.sentiment.evaluation.test_metrics import predictions

Case = tuple[np.ndarray, np.ndarray]


@given(predictions(classes=2))
def test_binary_area_is_scikit_learns(case: Case) -> None:
    labels, probabilities = case
    roc, pr = roc_curves(labels, probabilities), precision_recall_curves(labels, probabilities)
    assert roc.area == pytest.approx(roc_auc_score(labels, probabilities[:, 1]))
    assert pr.area == pytest.approx(average_precision_score(labels, probabilities[:, 1]))
    assert roc.average is None and [curve.class_index for curve in roc.classes] == [1]


@given(predictions(classes=4))
def test_area_of_many_classes_is_the_mean_of_each_against_the_rest(case: Case) -> None:
    labels, probabilities = case
    roc, pr = roc_curves(labels, probabilities), precision_recall_curves(labels, probabilities)
    assert roc.area == pytest.approx(roc_auc_score(labels, probabilities, multi_class="ovr", average="macro", labels=range(4)))
    assert pr.area == pytest.approx(average_precision_score(np.eye(4)[labels], probabilities, average="macro"))
    assert [curve.class_index for curve in roc.classes] == [0, 1, 2, 3]


@given(predictions(classes=3))
def test_the_mean_curve_lies_between_the_classes_and_has_their_area(case: Case) -> None:
    labels, probabilities = case
    for curves, start in ((roc_curves(labels, probabilities), 0.0), (precision_recall_curves(labels, probabilities), 1.0)):
        assert curves.average is not None
        x, y = curves.average.x, curves.average.y
        assert (x[0], y[0], x[-1]) == (0.0, start, 1.0)
        assert ((y >= 0) & (y <= 1)).all()
        assert np.trapezoid(y, x) == pytest.approx(curves.area, abs=0.02)


def test_ranked_curves_begin_with_the_mean_and_the_weakest_class() -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(400) % 4
    scores = generator.random((400, 4)) + np.eye(4)[labels] * [2.0, 0.1, 1.0, 0.5]
    ranked = roc_curves(labels, scores / scores.sum(axis=1, keepdims=True)).ranked()
    assert [curve.class_index for curve in ranked] == [-1, 1, 3, 2, 0]


@given(predictions(classes=4), st.integers(0, 3))
def test_a_class_without_test_rows_has_no_curve_and_spoils_no_mean(case: Case, absent: int) -> None:
    labels, probabilities = case
    kept = labels != absent
    roc = roc_curves(labels[kept], probabilities[kept])
    assert absent not in [curve.class_index for curve in roc.classes]
    assert np.isfinite(roc.area)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_test_of_one_class_has_no_curves(classes: int) -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(classes), size=20)
    for curves in (roc_curves(np.zeros(20, int), probabilities), precision_recall_curves(np.zeros(20, int), probabilities)):
        assert curves.ranked() == [] and np.isnan(curves.area)


@pytest.mark.parametrize(("classes", "points"), [(2, 500), (40, 125)])
def test_long_curves_are_thinned_but_keep_their_ends_and_their_area(classes: int, points: int) -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(classes, size=20_000)
    scores = generator.random((20_000, classes)) + 0.3 * np.eye(classes)[labels]
    curve = roc_curves(labels, scores).classes[-1]
    assert len(curve.x) <= points
    assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)
    assert curve.area == pytest.approx(roc_auc_score(labels == classes - 1, scores[:, -1]))


@given(predictions(classes=5))
def test_the_confused_pairs_are_the_largest_wrong_cells(case: Case) -> None:
    labels, probabilities = case
    predicted = probabilities.argmax(axis=1)
    counts = confusion_counts(labels, predicted, 5)
    pairs = most_confused(counts, 100)
    assert sum(pair.rows for pair in pairs) == (predicted != labels).sum()
    assert [pair.rows for pair in pairs] == sorted((pair.rows for pair in pairs), reverse=True)
    for pair in pairs:
        assert pair.rows == ((labels == pair.true) & (predicted == pair.predicted)).sum() > 0
        assert pair.share == pytest.approx(pair.rows / (labels == pair.true).sum())
    assert most_confused(counts, 3) == pairs[:3]


def test_the_share_of_a_class_without_rows_is_no_number() -> None:
    assert np.isnan(shares_of_true_class(np.array([[0, 0], [1, 3]]))[0]).all()
