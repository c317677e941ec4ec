"""What watches a training without changing it: its curves for a tracker, its progress for the terminal."""

from collections.abc import Mapping
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from sentiment.terminal.progress import ProgressBar, say
from sentiment.tracking.tracker import Tracker

_NAMES = {
    "loss": "train/loss",
    "grad_norm": "train/grad_norm",
    "learning_rate": "train/lr",
    "eval_loss": "validation/loss",
    "eval_accuracy": "validation/accuracy",
}


class TrackingCallback(TrainerCallback):
    """Sends a training's curves to a `Tracker`; after a resumption the earlier part first."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        for entry in state.log_history:
            self._send(entry, int(entry["step"]))

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, float] | None = None, **_: Any) -> None:
        self._send(logs or {}, state.global_step)

    def _send(self, entry: Mapping[str, float], step: int) -> None:
        self._tracker.log({_NAMES[name]: value for name, value in entry.items() if name in _NAMES}, step)


class ProgressCallback(TrainerCallback):
    """Moves a `ProgressBar` with the training."""

    def __init__(self, bar: ProgressBar) -> None:
        self._bar = bar

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.global_step >= state.max_steps:
            say(f"train: all {state.global_step} steps are in the checkpoint: only the outputs are to be written")
        elif state.global_step:
            say(f"train: goes on from step {state.global_step}")
        self._bar.start_from(state.global_step)  # the time left is that of the training, without what came before it

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, float] | None = None, **_: Any) -> None:
        logs = logs or {}
        if "loss" in logs:
            self._bar.update(state.global_step, f"epoch {state.epoch:.2f}  loss {logs['loss']:.3f}")
        if "eval_loss" in logs:
            say(f"epoch {state.epoch:.0f}: validation loss {logs['eval_loss']:.3f}, accuracy {logs['eval_accuracy']:.1%}")
