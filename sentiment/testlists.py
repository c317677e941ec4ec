"""Rows that a person should read after a test: confident mistakes, what is mistaken for what, labels that look wrong."""

import numpy as np
import pyarrow as pa

from sentiment.console import progress_bar
from sentiment.label_issues import FOLDS, find_label_issues, out_of_sample_probabilities
from sentiment.metrics import confused_pairs, confusion_counts
from sentiment.prediction import Predictions
from sentiment.tables import groups_of, labels_of
from sentiment.testreport import DoubtfulLabel, Mistake

_MISTAKES = 20
_CONFUSED_PAIRS = 10


def most_confident_mistakes(table: pa.Table, predictions: Predictions, class_names: list[str]) -> list[Mistake]:
    """Return the wrong rows with the highest probability, the first row first where two are equal."""
    wrong = np.flatnonzero(~predictions.correct)
    confidence = predictions.probabilities.max(axis=1)
    chosen = wrong[np.argsort(-confidence[wrong], kind="stable")][:_MISTAKES]
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


def most_confused(predictions: Predictions, class_names: list[str]) -> list[tuple[str, str, int]]:
    """Return the most frequent mistakes, where there are more than two classes and a matrix alone is hard to read."""
    if len(class_names) == 2:
        return []
    counts = confusion_counts(predictions.labels, predictions.predicted, len(class_names))
    return [(class_names[true], class_names[taken], rows) for true, taken, rows in confused_pairs(counts, _CONFUSED_PAIRS)]


def doubtful_labels(train: pa.Table, test: pa.Table, predictions: Predictions, class_names: list[str]) -> dict[str, list[DoubtfulLabel]]:
    """List the rows of either split whose label looks wrong."""
    with progress_bar("eval: labels, folds", FOLDS) as bar:
        judged = out_of_sample_probabilities(train.column("text").to_pylist(), labels_of(train), groups_of(train), len(class_names), bar.update)
    answered = np.where(np.isfinite(predictions.losses)[:, None], predictions.probabilities, np.nan)
    return {
        split: [
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
        for split, table, labels, probabilities in (("train", train, labels_of(train), judged), ("test", test, predictions.labels, answered))
    }
