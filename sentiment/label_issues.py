"""Rows whose label looks wrong: confident learning over probabilities that the row itself had no part in.

Northcutt, Jiang and Chuang (2021), "Confident Learning: Estimating Uncertainty in Dataset Labels", Journal of
Artificial Intelligence Research 70; their library cleanlab finds the rows. The test rows are judged by the
classifier, which has not seen them. It has seen the training rows, so those are judged by counting words,
each by a model that was fitted to the other folds.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sentiment.reference import fit_tfidf

FOLDS = 5
MOST_ROWS = 25_000  # that counting words judges: a minute or two on two cores
_SEED = 0


@dataclass(frozen=True)
class LabelIssue:
    """A row whose label looks wrong.

    Attributes
    ----------
    row : int
        Position.
    suggested : int
        The class that looks right.
    label_probability, suggested_probability : float
        What the judge gives to the row's label and to the suggested class.
    """

    row: int
    suggested: int
    label_probability: float
    suggested_probability: float


def find_label_issues(labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64]) -> list[LabelIssue]:
    """Find the rows whose label looks wrong.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        Class indices.
    probabilities : ndarray of float, shape (n, classes)
        Out of sample. A row that is nan was judged by nobody and is passed over.

    Returns
    -------
    list of LabelIssue
        The least probable label first. Empty where fewer than two classes are judged.
    """
    judged = np.flatnonzero(np.isfinite(probabilities).all(axis=1))
    present = np.unique(labels[judged])
    if len(present) < 2:
        return []
    from cleanlab.filter import find_label_issues as confident_learning

    # Only classes that have rows: a class without any has no threshold of its own.
    known = probabilities[np.ix_(judged, present)]
    known = np.maximum(known, 1e-12) / np.maximum(known, 1e-12).sum(axis=1, keepdims=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that a small class may have issues it does not flag
        found = confident_learning(np.searchsorted(present, labels[judged]), known, return_indices_ranked_by="self_confidence", n_jobs=1)
    return [
        LabelIssue(
            row=int(row),
            suggested=int(probabilities[row].argmax()),
            label_probability=float(probabilities[row, labels[row]]),
            suggested_probability=float(probabilities[row].max()),
        )
        for row in judged[np.asarray(found, dtype=np.int64)]
        if probabilities[row].argmax() != labels[row]
    ]


def out_of_sample_probabilities(
    texts: Sequence[str],
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64] | None,
    classes: int,
    progress: Callable[[int], None] | None = None,
) -> npt.NDArray[np.float64]:
    """Let counting words judge each row without having seen it, nor another one of its group.

    Parameters
    ----------
    texts : sequence of str, length n
        The training split.
    labels : ndarray of int, shape (n,)
        Class indices.
    groups : ndarray of int, shape (n,), or None
        Rows of one group fall into one fold.
    classes : int
        Number of classes.
    progress : callable, optional
        Called with the number of folds done, of `FOLDS`.

    Returns
    -------
    ndarray of float, shape (n, classes)
        nan for the rows of a class that has too few rows, or groups, to stand in every fold, and for all
        but a random `MOST_ROWS` of a larger split.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    probabilities = np.full((len(labels), classes), np.nan)
    units = [np.unique(groups[labels == label]) if groups is not None else np.flatnonzero(labels == label) for label in range(classes)]
    rows = np.flatnonzero(np.isin(labels, [label for label, found in enumerate(units) if len(found) >= FOLDS]))
    if len(rows) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(_SEED).choice(rows, MOST_ROWS, replace=False))
    if len(np.unique(labels[rows])) < 2:
        return probabilities
    splitter = (StratifiedKFold if groups is None else StratifiedGroupKFold)(FOLDS, shuffle=True, random_state=_SEED)
    parts = splitter.split(rows, labels[rows], groups[rows] if groups is not None else None)
    for number, (learned, judged) in enumerate(parts, 1):
        model = fit_tfidf([texts[row] for row in rows[learned]], labels[rows[learned]])
        probabilities[rows[judged]] = 0.0
        probabilities[np.ix_(rows[judged], model.classes_)] = model.predict_proba([texts[row] for row in rows[judged]])
        if progress:
            progress(number)
    return probabilities
