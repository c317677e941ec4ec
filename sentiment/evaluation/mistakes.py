"""The most confident mistakes of a classifier."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sentiment.model.trained.judgement import Predictions


@dataclass(frozen=True)
class Mistake:
    """A test row that the classifier got wrong.

    Attributes
    ----------
    id : str
        The row's.
    text : str or None
        Its text; None where reports show none.
    label, predicted : str
        Class names.
    probability : float
        Of the predicted class.
    """

    id: str
    text: str | None
    label: str
    predicted: str
    probability: float


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
