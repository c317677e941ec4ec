"""The most confident mistakes of a classifier."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from sentiment.evaluation.explanation import explain_text
from sentiment.model.trained.judgement import Predictions
from sentiment.model.trained.reader import TextClassifier
from sentiment.terminal.progress import progress_bar

_WORDS = 4  # of a mistake


@dataclass(frozen=True)
class MovingWord:
    """A word, and what it adds to the log odds of the predicted class, in nats."""

    word: str
    weight: float


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
    moved_by : list of MovingWord
        The words that moved the classifier to its answer most, the strongest first; empty where it was not explained.
    """

    id: str
    text: str | None
    label: str
    predicted: str
    probability: float
    moved_by: list[MovingWord] = field(default_factory=list)


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


def explained(mistakes: Sequence[Mistake], limit: int, reader: TextClassifier) -> list[Mistake]:
    """Add the words that moved the classifier to the first mistakes, those with a text.

    Parameters
    ----------
    mistakes : sequence of Mistake
        From `most_confident_mistakes`.
    limit : int
        How many are explained: each takes 64 passes forward and back, about a second for a short text on two CPU cores.
    reader : TextClassifier
        The classifier.
    """
    chosen = [mistake for mistake in mistakes[:limit] if mistake.text]
    moved = {}
    with progress_bar("eval: words behind mistakes", len(chosen)) as bar:
        for done, mistake in enumerate(chosen, start=1):
            explanation = explain_text(reader, str(mistake.text), 1.0, reader.class_names.index(mistake.predicted))
            words = explanation.strongest[:_WORDS]
            moved[mistake.id] = [MovingWord(explanation.text[word.start : word.end], word.weight) for word in words]
            bar.update(done)
    return [replace(mistake, moved_by=moved.get(mistake.id, [])) for mistake in mistakes]
