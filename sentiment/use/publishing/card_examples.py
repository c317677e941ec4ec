"""Examples for a model's card: validation texts that the model answers right, with its answer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sentiment.core.tables import labels_of
from sentiment.use.backends import TextReader

_CLASSES = 4  # examples of so many classes
_CANDIDATES = 20  # texts of a class that are tried
_LENGTHS = range(25, 181)  # characters


@dataclass(frozen=True)
class CardExample:
    """A text and what the model answers.

    Attributes
    ----------
    text : str
        Without line breaks and backticks.
    label : str
        The true class, which is also the most probable one.
    probability : float
        Of that class, uncalibrated, as `transformers.pipeline` gives it.
    """

    text: str
    label: str
    probability: float


def answered_right(validation: pa.Table, class_names: Sequence[str], reader: TextReader) -> list[CardExample]:
    """Choose the surest right answer of each of the first classes.

    Parameters
    ----------
    validation : pyarrow.Table
        With text and label. Validation, because examples from the test split would show texts that nothing may be chosen by.
    class_names : sequence of str
        In the order of their indices.
    reader : TextReader
        The model.

    Returns
    -------
    list of CardExample
        At most one a class; none of a class that has no short text, or none that is answered right.
    """
    labels, texts = labels_of(validation), validation.column("text").to_pylist()
    found = []
    for label, name in enumerate(class_names[:_CLASSES]):
        candidates = [texts[row] for row in np.flatnonzero(labels == label) if _is_plain(texts[row])][:_CANDIDATES]
        if not candidates:
            continue
        logits, _ = reader.read(candidates)
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = shifted / shifted.sum(axis=1, keepdims=True)
        best = int(probabilities[:, label].argmax())
        if probabilities[best].argmax() == label:
            found.append(CardExample(candidates[best], name, float(probabilities[best, label])))
    return found


def _is_plain(text: str) -> bool:
    return len(text) in _LENGTHS and text.isprintable() and "`" not in text
