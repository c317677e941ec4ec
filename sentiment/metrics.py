"""How good a classifier is: figures over its predictions, each with what it is uncertain by."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import precision_recall_curve, precision_recall_fscore_support, roc_auc_score, roc_curve

CALIBRATION_BINS = 15
_CURVE_POINTS = 500
_MEAN_POINTS = 201
_CHUNK_CELLS = 4_000_000
_Z95 = 1.959963984540054
_SEED = 0  # of the bootstrap: the same predictions always give the same interval

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Interval:
    """A 95 % interval of a share."""

    low: float
    high: float


@dataclass(frozen=True)
class Calibration:
    """Confidence against accuracy in bins of equal width; empty bins are left out.

    Attributes
    ----------
    confidence, accuracy : ndarray of float64, shape (bins,)
        Means within each bin, in [0, 1].
    rows : ndarray of int, shape (bins,)
        Rows in each bin.
    """

    confidence: Floats
    accuracy: Floats
    rows: Integers

    @property
    def error(self) -> float:
        """Expected calibration error: the mean gap between the two, weighted by rows."""
        return float(np.average(np.abs(self.confidence - self.accuracy), weights=self.rows))


@dataclass(frozen=True)
class Curve:
    """One class against the others.

    Attributes
    ----------
    class_index : int
        The class that counts as positive.
    x, y : ndarray of float64
        False and true positive rate (ROC), or recall and precision.
    """

    class_index: int
    x: Floats
    y: Floats


@dataclass(frozen=True)
class ClassReport:
    """Precision, recall and F1 of one class, and its number of rows."""

    precision: float
    recall: float
    f1: float
    rows: int


def accuracy_interval(correct: npt.NDArray[np.bool_], groups: npt.NDArray[np.int64] | None, resamples: int) -> Interval:
    """Bootstrap the accuracy: whole groups are resampled where there are any, else rows.

    Rows of one group resemble each other; resampling them one by one would make the interval too
    narrow. With about 30 groups the percentile interval covers some 93 % rather than 95 %.

    Parameters
    ----------
    correct : ndarray of bool, shape (n,)
        Which rows are right; n > 0.
    groups : ndarray of int, shape (n,), or None
        Group of each row.
    resamples : int
        Number of resamples.

    Returns
    -------
    Interval
        2.5th and 97.5th percentile.

    References
    ----------
    Efron and Tibshirani (1993), An Introduction to the Bootstrap, ch. 13; Field and Welsh (2007),
    Bootstrapping clustered data, JRSS B 69(3).
    """
    generator = np.random.default_rng(_SEED)
    if groups is None:
        # Resampling rows of which k are right is drawing from a binomial distribution.
        accuracies = generator.binomial(len(correct), correct.mean(), size=resamples) / len(correct)
    else:
        _, codes = np.unique(groups, return_inverse=True)
        rows = np.bincount(codes).astype(np.float64)
        right = np.bincount(codes, weights=correct.astype(np.float64))
        chunk = max(1, _CHUNK_CELLS // len(rows))
        parts = []
        for start in range(0, resamples, chunk):
            drawn = generator.integers(len(rows), size=(min(chunk, resamples - start), len(rows)))
            parts.append(right[drawn].sum(axis=1) / rows[drawn].sum(axis=1))
        accuracies = np.concatenate(parts)
    low, high = np.percentile(accuracies, [2.5, 97.5])
    return Interval(float(low), float(high))


def wilson(right: int, rows: int) -> Interval:
    """Wilson's score interval of a share, for slices too small for the bootstrap.

    Parameters
    ----------
    right, rows : int
        Successes and trials; rows > 0.

    References
    ----------
    Wilson (1927), JASA 22; Brown, Cai and DasGupta (2001), Statistical Science 16(2).
    """
    share, z2 = right / rows, _Z95**2
    centre = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    half = _Z95 / (1 + z2 / rows) * np.sqrt(share * (1 - share) / rows + z2 / (4 * rows**2))
    return Interval(float(max(0.0, centre - half)), float(min(1.0, centre + half)))


def calibration(probabilities: Floats, labels: Integers) -> Calibration:
    """Compare the confidence in the predicted class with how often it is right.

    Parameters
    ----------
    probabilities : ndarray, shape (n, classes)
        Rows add up to 1.
    labels : ndarray of int, shape (n,)
        True classes.

    References
    ----------
    Guo et al. (2017), On Calibration of Modern Neural Networks (15 bins of equal width).
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    bins = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(np.int64) - 1, 0, CALIBRATION_BINS - 1)
    rows = np.bincount(bins, minlength=CALIBRATION_BINS)
    filled = rows > 0
    sums = [np.bincount(bins, weights=values, minlength=CALIBRATION_BINS)[filled] / rows[filled] for values in (confidence, correct)]
    return Calibration(sums[0], sums[1], rows[filled].astype(np.int64))


def macro_f1(labels: Integers, predicted: Integers, classes: int) -> float:
    """Return the mean F1 of the classes that have rows; one that is never predicted counts 0."""
    return average(by_class(labels, predicted, classes), weighted=False).f1


def confusion_counts(labels: Integers, predicted: Integers, classes: int) -> Integers:
    """Count rows by true and predicted class, shape (classes, classes)."""
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def confused_pairs(counts: Integers, most: int) -> list[tuple[int, int, int]]:
    """Return the mistakes that are made most often.

    Parameters
    ----------
    counts : ndarray of int, shape (classes, classes)
        True class by predicted class.
    most : int
        How many to return.

    Returns
    -------
    list of (int, int, int)
        True class, predicted class, rows; the most frequent first.
    """
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = [(int(true), int(predicted)) for true, predicted in zip(*np.unravel_index(order, wrong.shape), strict=True)]
    return [(true, predicted, int(wrong[true, predicted])) for true, predicted in pairs if wrong[true, predicted]]


def by_class(labels: Integers, predicted: Integers, classes: int) -> list[ClassReport]:
    """Return precision, recall, F1 and rows of each class, in the order of their indices."""
    columns = precision_recall_fscore_support(labels, predicted, labels=range(classes), zero_division=0)
    return [ClassReport(float(p), float(r), float(f), int(n)) for p, r, f, n in zip(*columns, strict=True)]


def average(reports: Sequence[ClassReport], weighted: bool) -> ClassReport:
    """Return the mean over the classes that have rows, each counted once (macro) or by its rows (weighted)."""
    kept = [report for report in reports if report.rows]
    weights = np.array([report.rows if weighted else 1 for report in kept], dtype=np.float64)
    precision, recall, f1 = (float(np.average([getattr(one, name) for one in kept], weights=weights)) for name in ("precision", "recall", "f1"))
    return ClassReport(precision, recall, f1, sum(report.rows for report in kept))


def roc_auc(labels: Integers, probabilities: Floats) -> float:
    """Area under the ROC curve of class 1; with more classes, the mean of each class against the others.

    A class without rows has no curve and is left out; nan where no class has one.
    """
    if not np.isfinite(probabilities).all():
        return float("nan")
    areas = [roc_auc_score(labels == index, probabilities[:, index]) for index in _positive_classes(labels, probabilities)]
    return float(np.mean(areas)) if areas else float("nan")


def roc_curves(labels: Integers, probabilities: Floats) -> list[Curve]:
    """Compute false and true positive rates, for class 1 of two or for each class of more."""
    curves = []
    for index in _positive_classes(labels, probabilities):
        x, y, _ = roc_curve(labels == index, probabilities[:, index])
        curves.append(_thinned(index, x, y))
    return curves


def precision_recall_curves(labels: Integers, probabilities: Floats) -> list[Curve]:
    """Compute recall and precision, for class 1 of two or for each class of more."""
    curves = []
    for index in _positive_classes(labels, probabilities):
        precision, recall, _ = precision_recall_curve(labels == index, probabilities[:, index], drop_intermediate=True)
        curves.append(_thinned(index, recall[::-1], precision[::-1]))
    return curves


def mean_curve(curves: Sequence[Curve]) -> tuple[Floats, Floats]:
    """Average curves over x, each class counted once: one line where a plot would be crowded by one a class.

    Parameters
    ----------
    curves : sequence of Curve
        From `roc_curves` or `precision_recall_curves`; x ascends.

    Returns
    -------
    x, y : ndarray of float
        A single curve as it is; of several, the mean at 201 points.
    """
    if len(curves) == 1:
        return curves[0].x, curves[0].y
    grid = np.linspace(0.0, 1.0, _MEAN_POINTS)
    return grid, np.mean([np.interp(grid, curve.x, curve.y) for curve in curves], axis=0) if curves else np.full(_MEAN_POINTS, np.nan)


def _positive_classes(labels: Integers, probabilities: Floats) -> list[int]:
    classes = probabilities.shape[1]
    rows = np.bincount(labels, minlength=classes)
    asked = [1] if classes == 2 else range(classes)
    return [index for index in asked if 0 < rows[index] < len(labels)]


def _thinned(index: int, x: Floats, y: Floats) -> Curve:
    if len(x) > _CURVE_POINTS:
        kept = np.unique(np.linspace(0, len(x) - 1, _CURVE_POINTS).round().astype(np.int64))
        x, y = x[kept], y[kept]
    return Curve(index, x.astype(np.float64), y.astype(np.float64))
