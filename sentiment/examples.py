"""Rows worth reading: the most confident mistakes, and labels that look wrong."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentiment.console import progress_bar
from sentiment.label_issues import FOLDS, find_label_issues, out_of_sample_probabilities
from sentiment.prediction import Predictions
from sentiment.tables import groups_of, labels_of


@dataclass(frozen=True)
class Mistake:
    """A test row that the classifier got wrong.

    Attributes
    ----------
    id, text : str
        The row.
    label, predicted : str
        Class names.
    probability : float
        Of the predicted class.
    """

    id: str
    text: str
    label: str
    predicted: str
    probability: float


@dataclass(frozen=True)
class DoubtfulLabel:
    """A row whose label looks wrong.

    Attributes
    ----------
    id, text : str
        The row.
    label, suggested : str
        Class names: the row's, and the one that looks right.
    label_probability, suggested_probability : float
        What the judge gives to either.
    """

    id: str
    text: str
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


def most_confident_mistakes(table: pa.Table, predictions: Predictions, class_names: list[str], limit: int = 20) -> list[Mistake]:
    """Return the wrong rows with the highest probability, the first row first where two are equal."""
    wrong = np.flatnonzero(~predictions.correct)
    confidence = predictions.probabilities.max(axis=1)
    chosen = wrong[np.argsort(-confidence[wrong], kind="stable")][:limit]
    return [
        Mistake(
            id=table.column("id")[int(row)].as_py(),
            text=table.column("text")[int(row)].as_py(),
            label=class_names[predictions.labels[row]],
            predicted=class_names[predictions.predicted[row]],
            probability=float(confidence[row]),
        )
        for row in chosen
    ]


def doubtful_labels(train: pa.Table, test: pa.Table, predictions: Predictions, class_names: list[str]) -> dict[str, DoubtfulLabels]:
    """Find the rows of either split whose label looks wrong."""
    with progress_bar("eval: labels, folds", FOLDS) as bar:
        judged = out_of_sample_probabilities(train.column("text").to_pylist(), labels_of(train), groups_of(train), len(class_names), bar.update)
    answered = np.where(np.isfinite(predictions.losses)[:, None], predictions.probabilities, np.nan)
    return {"train": _doubtful(train, judged, class_names), "test": _doubtful(test, answered, class_names)}


def _doubtful(table: pa.Table, probabilities: npt.NDArray[np.float64], class_names: list[str]) -> DoubtfulLabels:
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
