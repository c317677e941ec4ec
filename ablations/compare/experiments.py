"""What the report knows of an experiment, wherever it came from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TrainingCurves:
    """How one training went.

    Attributes
    ----------
    step, epoch, loss, grad_norm : ndarray of float, shape (steps,)
        One value an optimiser step; the norm is that before clipping.
    validation_step, validation_epoch, validation_loss, validation_accuracy : ndarray of float, shape (evaluations,)
        One value an evaluation.
    """

    step: Floats
    epoch: Floats
    loss: Floats
    grad_norm: Floats
    validation_step: Floats
    validation_epoch: Floats
    validation_loss: Floats
    validation_accuracy: Floats


@dataclass(frozen=True)
class TestAnswers:
    """What a trained model says of the test set, one value an example.

    Attributes
    ----------
    ids, groups : ndarray of str
        Which example; `groups` is None where the data has none.
    labels, predicted : ndarray of int
        Class indices.
    losses : ndarray of float
        Cross-entropy in nats.
    """

    __test__ = False  # pytest takes the name for a test's

    ids: npt.NDArray[np.str_]
    groups: npt.NDArray[np.str_] | None
    labels: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    losses: Floats

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """Where the prediction is the label."""
        correct: npt.NDArray[np.bool_] = self.predicted == self.labels
        return correct


@dataclass(frozen=True)
class Identity:
    """What two experiments must have in common to be compared.

    Attributes
    ----------
    data : str
        Hash of the source, as the first stage read it.
    split : str
        Hash of train, validation and test.
    precision : str
        fp32 or bf16.
    threads : int
        Threads of one operation.
    code : str
        Hash of the stages' commands and of all modules they depend on.
    """

    data: str
    split: str
    precision: str
    threads: int
    code: str


@dataclass(frozen=True)
class Experiment:
    """One experiment that ended in success.

    Attributes
    ----------
    name : str
        As DVC lists it.
    revision : str
        Its commit.
    baseline : str
        The commit it departs from.
    parameters : mapping
        Every parameter by its dotted name.
    identity : Identity
        What it stands on.
    metrics, test_metrics : mapping
        The summary of its training (`ablations.experiment_files.training_summary`) and its reports/eval.json.
    validation_chance : float
        Share of the largest class of the validation set; with `validation_rows` its size.
    validation_rows : int
        Examples in the validation set.
    curves : TrainingCurves
        The training.
    answers : TestAnswers
        The test set.
    older_code : bool
        It was made before the code was laid out in folders: its dvc.lock names single modules.
    """

    name: str
    revision: str
    baseline: str
    parameters: Mapping[str, Any]
    identity: Identity
    metrics: Mapping[str, Any]
    test_metrics: Mapping[str, Any]
    validation_chance: float
    validation_rows: int
    curves: TrainingCurves
    answers: TestAnswers
    older_code: bool = False

    @property
    def seed(self) -> int:
        """The seed of its training."""
        return int(self.parameters["seed"])
