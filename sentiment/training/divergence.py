"""A training whose numbers are not finite any more: it ends there, its curves are kept, and no model comes of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from sentiment.core import paths
from sentiment.core.files import replacing, write_json
from sentiment.training.history import StepRecord, ValidationRecord, write_training_curves
from sentiment.training.parameters import TrainParameters

_NORMS_IN_A_ROW = 3
_LOWER = 10.0  # what to divide the learning rate by


class NotFiniteError(Exception):
    """What is not finite, in a few words; raised within the Trainer's loop."""


@dataclass(frozen=True)
class Divergence:
    """Where a training diverged.

    Attributes
    ----------
    what : str
        ``the training loss is nan``.
    step, steps : int
        Where, and how many there would have been.
    lr : float
        The learning rate of that step.
    """

    what: str
    step: int
    steps: int
    lr: float


class DivergedError(Exception):
    """A training ended because it diverged.

    Parameters
    ----------
    divergence : Divergence
        Where.
    steps, validations : list
        The curves, the step that was not finite included.
    """

    def __init__(self, divergence: Divergence, steps: list[StepRecord], validations: list[ValidationRecord]) -> None:
        super().__init__(divergence.what)
        self.divergence, self.steps, self.validations = divergence, steps, validations


class FiniteCheck(TrainerCallback):
    """Ends a training at the first loss, or the third gradient norm in a row, that is not finite.

    It looks at what is logged, so that no step waits for the device on its account.
    """

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, float] | None = None, **_: Any) -> None:
        logs = logs or {}
        for name, words in (("loss", "training loss"), ("eval_loss", "validation loss")):
            if not math.isfinite(logs.get(name, 0.0)):
                raise NotFiniteError(f"the {words} is {logs[name]}")
        if not math.isfinite(logs.get("grad_norm", 0.0)) and _norms_in_a_row(state.log_history) >= _NORMS_IN_A_ROW:
            raise NotFiniteError(f"the gradient norm is {logs['grad_norm']} for {_NORMS_IN_A_ROW} steps in a row")


def keep_diverged(error: DivergedError, folder: Path, training: str, parameters: Mapping[str, Any]) -> None:
    """Keep what is known of a training that diverged.

    Parameters
    ----------
    error : DivergedError
        From `fine_tune`.
    folder : Path
        Outside of the outputs, as `sentiment.core.paths.diverged_folder`: gets both curves and run.json.
    training : str
        Its fingerprint.
    parameters : mapping
        What it was trained with.
    """
    with replacing(folder) as partial:
        partial.mkdir(parents=True)
        write_training_curves(partial, error.steps, error.validations)
        write_json(partial / paths.RUN_SUMMARY, {**vars(error.divergence), "training": training, "parameters": dict(parameters)})


def describe_divergence(divergence: Divergence, settings: TrainParameters, folder: Path) -> str:
    """Say in one line where a training diverged and what to try."""
    tries = [f"train.lr={settings.lr / _LOWER:.2g}"]
    if settings.warmup < 0.1:
        tries.append("train.warmup=0.1")
    if settings.max_grad_norm > 1.0:
        tries.append("train.max_grad_norm=1.0")
    if settings.precision != "fp32":
        tries.append("train.precision=fp32")
    return (
        f"train: {divergence.what} at step {divergence.step} of {divergence.steps} (learning rate {divergence.lr:.2g}): no model is written; "
        f"try {' or '.join(tries)}; the curves up to there are in {folder}"
    )


def _norms_in_a_row(history: Sequence[Mapping[str, float]]) -> int:
    count = 0
    for entry in reversed(history):
        if "grad_norm" in entry:
            if math.isfinite(entry["grad_norm"]):
                break
            count += 1
    return count
