"""What comes of a training: the model, its curves and what it cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sentiment.core import paths
from sentiment.core.files import write_tsv


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
    """

    model: Any
    steps: list[StepRecord]
    validations: list[ValidationRecord]
    tokens: int
    flops: float

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


def read_history(history: Sequence[Mapping[str, Any]]) -> tuple[list[StepRecord], list[ValidationRecord]]:
    """Read both curves from Trainer's log."""
    steps = [StepRecord(one["step"], one["epoch"], one["loss"], one["grad_norm"], one["learning_rate"]) for one in history if "grad_norm" in one]
    validations = [ValidationRecord(one["step"], one["epoch"], one["eval_loss"], one["eval_accuracy"]) for one in history if "eval_loss" in one]
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
