"""One class against the others: the ROC and precision-recall curves of a test, the areas under them, and their macro average."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve

_MOST_POINTS = 500  # of a curve
_ALL_POINTS = 5000  # of all curves: `dvc plots show` writes each of them into its page
_FEWEST_POINTS = 50
_GRID = np.linspace(0.0, 1.0, 201)

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Curve:
    """One class against the others.

    Attributes
    ----------
    class_index : int
        The class that counts as positive; -1 for the average of all.
    x, y : ndarray of float64
        False and true positive rate (ROC), or recall and precision.
    area : float
        Under the curve: ROC-AUC, or average precision.
    """

    class_index: int
    x: Floats
    y: Floats
    area: float


@dataclass(frozen=True)
class OneAgainstRest:
    """The curves of one kind.

    Attributes
    ----------
    classes : list of Curve
        Class 1 of two, or each class of more, in the order of their indices. A class is left out where the
        test has no row of it, or of no other: nothing can be ranked above anything then.
    average : Curve or None
        The mean of the curves at each x; its area is the mean of theirs. None where there are fewer than two.
    """

    classes: list[Curve]
    average: Curve | None

    @property
    def area(self) -> float:
        """The area of the only class, or the mean of all; nan where there is none."""
        return float(np.mean([curve.area for curve in self.classes])) if self.classes else float("nan")

    def ranked(self) -> list[Curve]:
        """Return the average, where there is one, and then the classes, the smallest area first."""
        weakest_first = sorted(self.classes, key=lambda curve: (curve.area, curve.class_index))
        return [self.average, *weakest_first] if self.average else weakest_first


def roc_curves(labels: Integers, probabilities: Floats) -> OneAgainstRest:
    """Compute false and true positive rates.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        True classes.
    probabilities : ndarray, shape (n, classes)
        The higher, the more probable.

    Returns
    -------
    OneAgainstRest
        Averaged over the classes at equal false positive rates.

    References
    ----------
    Fawcett (2006), An introduction to ROC analysis, sections 8 to 10 (areas of several classes, vertical averaging).
    """

    def curve(positive: npt.NDArray[np.bool_], scores: Floats) -> tuple[Floats, Floats, float]:
        x, y, _ = roc_curve(positive, scores)
        return x, y, float(auc(x, y))

    # At a false positive rate of 0 the curve is a vertical line: the average starts where the curves do.
    return _one_against_rest(labels, probabilities, curve, lambda x, y: np.where(_GRID == 0.0, 0.0, np.interp(_GRID, x, y)))


def precision_recall_curves(labels: Integers, probabilities: Floats) -> OneAgainstRest:
    """Compute recall and precision.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        True classes.
    probabilities : ndarray, shape (n, classes)
        The higher, the more probable.

    Returns
    -------
    OneAgainstRest
        Averaged over the classes at equal recalls, along the steps whose area is the average precision: straight
        lines between points of precision and recall would promise too much.

    References
    ----------
    Davis and Goadrich (2006), The relationship between Precision-Recall and ROC curves.
    """

    def curve(positive: npt.NDArray[np.bool_], scores: Floats) -> tuple[Floats, Floats, float]:
        precision, recall, _ = precision_recall_curve(positive, scores, drop_intermediate=True)
        return recall[::-1], precision[::-1], float(average_precision_score(positive, scores))

    return _one_against_rest(labels, probabilities, curve, lambda x, y: y[np.searchsorted(x, _GRID)])


def _one_against_rest(
    labels: Integers,
    probabilities: Floats,
    curve: Callable[[npt.NDArray[np.bool_], Floats], tuple[Floats, Floats, float]],
    on_grid: Callable[[Floats, Floats], Floats],
) -> OneAgainstRest:
    classes = probabilities.shape[1]
    points = min(_MOST_POINTS, max(_FEWEST_POINTS, _ALL_POINTS // classes))
    curves, heights = [], np.zeros_like(_GRID)
    if np.isfinite(probabilities).all():
        for index in range(1, 2) if classes == 2 else range(classes):
            positive = labels == index
            if positive.all() or not positive.any():
                continue
            x, y, area = curve(positive, probabilities[:, index])
            heights += on_grid(x, y)
            curves.append(Curve(index, *_thinned(x, y, points), area))
    average = Curve(-1, _GRID, heights / len(curves), float(np.mean([one.area for one in curves]))) if len(curves) > 1 else None
    return OneAgainstRest(curves, average)


def _thinned(x: Floats, y: Floats, points: int) -> tuple[Floats, Floats]:
    if len(x) > points:
        kept = np.unique(np.linspace(0, len(x) - 1, points).round().astype(np.int64))
        x, y = x[kept], y[kept]
    return x.astype(np.float64), y.astype(np.float64)
