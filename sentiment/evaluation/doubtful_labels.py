"""Rows whose label looks wrong: confident learning over probabilities that the row itself had no part in.

Northcutt, Jiang and Chuang (2021), "Confident Learning: Estimating Uncertainty in Dataset Labels", Journal of
Artificial Intelligence Research 70; their library cleanlab finds the rows. The test rows are judged by the
classifier, which has not seen them. It has seen the training rows, so those are judged by counting words,
each by a model that was fitted to the other folds.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentiment.core.tables import labels_of


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


@dataclass(frozen=True)
class DoubtfulLabel:
    """A row whose label looks wrong.

    Attributes
    ----------
    id : str
        The row's.
    text : str or None
        Its text; None where reports show none.
    label, suggested : str
        Class names: the row's, and the one that looks right.
    label_probability, suggested_probability : float
        What the judge gives to either.
    """

    id: str
    text: str | None
    label: str
    suggested: str
    label_probability: float
    suggested_probability: float


@dataclass(frozen=True)
class DoubtfulLabels:
    """The rows of one split whose label looks wrong.

    Attributes
    ----------
    found : list of DoubtfulLabel
        The most doubtful first.
    rows, judged : int
        Rows of the split, and those that could be judged: not where a class has too few rows (or groups) for folds,
        not beyond a random part of a very large split, and not where the model gave no finite number.
    """

    found: list[DoubtfulLabel]
    rows: int
    judged: int


def find_doubtful_labels(table: pa.Table, probabilities: npt.NDArray[np.float64], class_names: list[str]) -> DoubtfulLabels:
    """Find the rows of a split whose label looks wrong.

    Parameters
    ----------
    table : pyarrow.Table
        The split: id, text and label.
    probabilities : ndarray of float, shape (rows, classes)
        As for `find_label_issues`.
    class_names : list of str
        In the order of their indices.
    """
    labels = labels_of(table)
    found = [
        DoubtfulLabel(
            id=table.column("id")[issue.row].as_py(),
            text=table.column("text")[issue.row].as_py(),
            label=class_names[labels[issue.row]],
            suggested=class_names[issue.suggested],
            label_probability=issue.label_probability,
            suggested_probability=issue.suggested_probability,
        )
        for issue in find_label_issues(labels, probabilities)
    ]
    return DoubtfulLabels(found, table.num_rows, int(np.isfinite(probabilities).all(axis=1).sum()))
