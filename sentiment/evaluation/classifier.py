"""A trained classifier that reads tables."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentiment.core.tables import labels_of
from sentiment.model.runtime import Runtime
from sentiment.model.text_settings import TextSettings
from sentiment.model.token_cache import token_cache
from sentiment.model.trained.judgement import Predictions, judge
from sentiment.model.trained.reader import TextClassifier
from sentiment.terminal.progress import progress_bar


class Classifier:
    """A trained model with all it takes to classify a table.

    Parameters
    ----------
    folder : Path
        What the train stage wrote.
    runtime : Runtime
        Device and precision.
    settings : TextSettings
        How long a text may be and how it is cut.
    batch_size : int
        Texts a forward pass.
    """

    def __init__(self, folder: Path, runtime: Runtime, settings: TextSettings, batch_size: int) -> None:
        self.reader = TextClassifier(folder, runtime, settings, batch_size)

    def classify(self, table: pa.Table, name: str) -> tuple[Predictions, npt.NDArray[np.int64]]:
        """Return predictions in row order, uncalibrated, and each text's number of tokens before cutting."""
        with progress_bar(name, table.num_rows) as bar:
            logits, lengths = self.reader.read(table.column("text").to_pylist(), bar.update, token_cache())
        return judge(logits, labels_of(table)), lengths
