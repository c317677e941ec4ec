"""A trained classifier that reads texts: the one path from clean texts to logits, for eval and for whoever uses the model."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sentiment.model.classification import load_trained
from sentiment.model.prediction import compute_logits
from sentiment.model.runtime import Runtime
from sentiment.model.text_settings import TextSettings
from sentiment.model.tokens import tokenize


class TextClassifier:
    """A trained model with all it takes to classify texts.

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
        self.tokenizer, self.model = load_trained(folder)
        self.model.to(runtime.device)
        self.runtime, self.settings, self._batch_size = runtime, settings, batch_size

    @property
    def class_names(self) -> list[str]:
        """The classes, in the order of their indices."""
        return [str(self.model.config.id2label[index]) for index in range(self.model.config.num_labels)]

    def read(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None, cache: Path | None = None
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Classify texts together: those of like length share a forward pass.

        Parameters
        ----------
        texts : sequence of str
            n texts, cleaned.
        progress : callable, optional
            Called with the number of texts done.
        cache : Path, optional
            As for `tokenize`.

        Returns
        -------
        logits : ndarray of float64, shape (n, classes)
            As from `compute_logits`. In fp32 the same bits for the same texts read together, batch size, machine and threads.
        lengths : ndarray of int, shape (n,)
            Tokens of each text before cutting.
        """
        tokenized = tokenize(self.tokenizer, texts, self.settings.max_length, self.settings.truncation, cache)
        return compute_logits(self.model, tokenized, self._batch_size, self.runtime, progress), tokenized.full_lengths
