"""A trained classifier that reads tables."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentiment.console import progress_bar
from sentiment.encoders import load_trained
from sentiment.paths import token_cache
from sentiment.prediction import Predictions, predict
from sentiment.runtime import Runtime
from sentiment.tables import labels_of
from sentiment.tokens import tokenize


class Classifier:
    """A trained model with all it takes to classify a table.

    Parameters
    ----------
    folder : Path
        What the train stage wrote.
    runtime : Runtime
        Device and precision.
    max_length, truncation
        As in the training.
    batch_size : int
        Texts a forward pass.
    """

    def __init__(self, folder: Path, runtime: Runtime, max_length: int, truncation: str, batch_size: int) -> None:
        self._tokenizer, self._model = load_trained(folder)
        self._model.to(runtime.device)
        self._runtime = runtime
        self._max_length, self._truncation, self._batch_size = max_length, truncation, batch_size

    def classify(self, table: pa.Table, name: str) -> tuple[Predictions, npt.NDArray[np.int64]]:
        """Return predictions in row order, and each text's number of tokens before cutting."""
        texts = tokenize(self._tokenizer, table.column("text").to_pylist(), self._max_length, self._truncation, token_cache())
        with progress_bar(name, table.num_rows) as bar:
            predictions = predict(self._model, texts, labels_of(table), self._batch_size, self._runtime, bar.update)
        return predictions, texts.full_lengths
