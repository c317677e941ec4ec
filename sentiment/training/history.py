"""What goes into a training and what comes of it: examples, the records of its curves, the outcome."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sentiment.core import paths
from sentiment.core.files import write_tsv
from sentiment.model.tokens import TokenizedTexts


@dataclass(frozen=True)
class Examples:
    """Tokenised texts and their labels.

    Attributes
    ----------
    texts : TokenizedTexts
        n texts.
    labels : ndarray of int, shape (n,)
        Class indices.
    """

    texts: TokenizedTexts
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True)
class StepRecord:
    """One optimiser step: what stands in the curves."""

    step: int
    epoch: float
    loss: float
    grad_norm: float
    lr: float


@dataclass(frozen=True)
class ValidationRecord:
    """One evaluation on the validation set."""

    step: int
    epoch: float
    loss: float
    accuracy: float


@dataclass(frozen=True)
class Outcome:
    """A finished training.

    Attributes
    ----------
    model : transformers.PreTrainedModel
        The model to keep.
    steps, validations : list
        The curves.
    tokens : int
        Tokens trained on, padding included.
    flops : float
        Floating point operations of all training steps, as 6 × tokens × parameters without embeddings.
    step : str
        How the device was given its steps: eager, graph or compiled, as in `sentiment.model.runtime`.
    """

    model: Any
    steps: list[StepRecord]
    validations: list[ValidationRecord]
    tokens: int
    flops: float
    step: str = "eager"

    @property
    def best(self) -> ValidationRecord:
        """The evaluation with the lowest loss (the last one where none is finite)."""
        finite = [record for record in self.validations if np.isfinite(record.loss)]
        return min(finite, key=lambda record: record.loss) if finite else self.validations[-1]

    @property
    def train_loss(self) -> float:
        """Mean training loss over the final epoch."""
        start = self.validations[-2].step if len(self.validations) > 1 else 0
        return float(np.mean([record.loss for record in self.steps if record.step > start]))


def read_history(log: list[dict[str, Any]]) -> tuple[list[StepRecord], list[ValidationRecord]]:
    """Read the curves out of Trainer's log history."""
    steps = [
        StepRecord(entry["step"], entry["epoch"], entry["loss"], entry["grad_norm"], entry["learning_rate"]) for entry in log if "grad_norm" in entry
    ]
    validations = [
        ValidationRecord(entry["step"], entry["epoch"], entry["eval_loss"], entry["eval_accuracy"]) for entry in log if "eval_loss" in entry
    ]
    return steps, validations


def write_training_curves(folder: Path, steps: Sequence[StepRecord], validations: Sequence[ValidationRecord]) -> None:
    """Write what happened at each step and at each evaluation, as two tables in a folder."""
    write_tsv(
        folder / paths.STEP_CURVE,
        ["step", "epoch", "loss", "grad_norm", "lr"],
        [(record.step, record.epoch, record.loss, record.grad_norm, record.lr) for record in steps],
    )
    write_tsv(
        folder / paths.VALIDATION_CURVE,
        ["step", "epoch", "loss", "accuracy"],
        [(record.step, record.epoch, record.loss, record.accuracy) for record in validations],
    )
