"""What a classifier's logits say: probabilities, losses, right and wrong."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


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
