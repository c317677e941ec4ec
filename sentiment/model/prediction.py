"""Running a classifier over many texts: without gradients, sorted by length, answers in row order."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from sentiment.model import processes
from sentiment.model.runtime import Runtime
from sentiment.model.tokens import TokenizedTexts, pad


@dataclass(frozen=True)
class Predictions:
    """What a classifier says of n texts.

    Attributes
    ----------
    probabilities : ndarray of float64, shape (n, classes)
        Softmax of the logits; equal where the model gave no finite number.
    losses : ndarray of float64, shape (n,)
        Cross-entropy of each row's label, in nats; nan where the model gave no finite number.
    labels : ndarray of int, shape (n,)
        The true classes.
    """

    probabilities: npt.NDArray[np.float64]
    losses: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64]

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """The most probable class of each row."""
        predicted: npt.NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return predicted

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """Where the most probable class is the true one."""
        correct: npt.NDArray[np.bool_] = self.predicted == self.labels
        return correct

    @property
    def accuracy(self) -> float:
        """Share of correct rows."""
        return float(self.correct.mean())

    @property
    def loss(self) -> float:
        """Mean cross-entropy, in nats."""
        return float(self.losses.mean())


def predict(
    model: Any,
    texts: TokenizedTexts,
    labels: npt.NDArray[np.int64],
    batch_size: int,
    runtime: Runtime,
    progress: Callable[[int], None] | None = None,
) -> Predictions:
    """Classify texts whose classes are known.

    Parameters
    ----------
    model, texts, batch_size, runtime, progress
        As for `compute_logits`.
    labels : ndarray of int, shape (n,)
        The texts' true classes.

    Returns
    -------
    Predictions
        In the order of `texts`.
    """
    return judge(compute_logits(model, texts, batch_size, runtime, progress), labels)


def judge(logits: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> Predictions:
    """Compare a classifier's logits, shape (n, classes), with the true classes, shape (n,)."""
    log_probabilities = log_softmax(logits)
    losses = -log_probabilities[np.arange(len(labels)), labels]
    losses[~np.isfinite(logits).all(axis=1)] = np.nan
    return Predictions(np.exp(log_probabilities), losses, labels)


def at_temperature(predictions: Predictions, temperature: float) -> Predictions:
    """Return predictions with the probabilities that another temperature gives; rows without a finite answer keep theirs."""
    with np.errstate(divide="ignore"):
        logarithms = np.maximum(np.log(predictions.probabilities), np.finfo(np.float64).min / 1e3)
    logarithms[np.isnan(predictions.losses)] = np.nan
    return judge(logarithms if temperature == 1 else logarithms / temperature, predictions.labels)


def log_softmax(logits: npt.NDArray[np.float64], temperature: float = 1.0) -> npt.NDArray[np.float64]:
    """Return the logarithms of the classes' probabilities.

    Parameters
    ----------
    logits : ndarray of float64, shape (n, classes)
        A row that is not finite counts as one of equal logits.
    temperature : float
        Above 0: the logits are divided by it.
    """
    known = np.where(np.isfinite(logits).all(axis=1, keepdims=True), logits, 0.0) / temperature
    shifted = known - known.max(axis=1, keepdims=True)
    logarithms: npt.NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return logarithms


def compute_logits(
    model: Any, texts: TokenizedTexts, batch_size: int, runtime: Runtime, progress: Callable[[int], None] | None = None
) -> npt.NDArray[np.float64]:
    """Run a classifier over texts.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A sequence classifier; put into evaluation mode, and back into the mode it was in.
    texts : TokenizedTexts
        n texts.
    batch_size : int
        Texts a forward pass. In bf16 it moves a logit by up to 4e-4.
    runtime : Runtime
        Device and precision.
    progress : callable, optional
        Called with the number of texts done.

    Returns
    -------
    ndarray of float64, shape (n, classes)
        In the order of `texts`; not finite where the model gave no finite number.
    """
    order = np.argsort(-texts.lengths, kind="stable")
    logits = np.zeros((len(order), model.config.num_labels), dtype=np.float64)
    was_training = model.training
    model.eval()
    with torch.inference_mode(), runtime.autocast():
        # Each of several processes takes its share of the batches: the batches themselves are the same for any number.
        for start in range(processes.rank() * batch_size, len(order), processes.count() * batch_size):
            rows = order[start : start + batch_size]
            batch = pad([texts.token_ids[row] for row in rows], model.config.pad_token_id or 0, texts.layout)
            output = model(**{name: tensor.to(model.device) for name, tensor in batch.items()}).logits
            logits[rows] = output.double().cpu().numpy()
            if progress:
                progress(start + len(rows))
    model.train(was_training)
    return processes.sum_of(logits, model.device)
