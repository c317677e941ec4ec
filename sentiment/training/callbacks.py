"""How a training is steered from outside its steps: the epoch of the data order, early stopping, checkpoints, signals."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from sentiment.model import processes
from sentiment.terminal.errors import Interrupted
from sentiment.training.data_order import TrainingOrder

_CHECKPOINT_EVERY_SECONDS = 300.0


class EpochCallback(TrainerCallback):
    """Sets the epoch of the data order: Trainer's own way does not reach it in a resumed epoch of several processes."""

    def __init__(self, order: TrainingOrder) -> None:
        self._order = order

    def on_epoch_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._order.set_epoch(int(state.epoch or 0))


class PatienceCallback(TrainerCallback):
    """Early stopping that reads all it needs from the history, so that it survives a resumption."""

    def __init__(self, patience: int | None) -> None:
        self._patience = patience

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        losses = [entry["eval_loss"] for entry in state.log_history if "eval_loss" in entry]
        since_best = len(losses) - 1 - int(np.argmin(np.nan_to_num(losses, nan=np.inf)))
        if self._patience is not None and since_best >= self._patience:
            control.should_training_stop = True


class StopRequest:
    """Whether a signal has asked the training to stop."""

    def __init__(self) -> None:
        self.asked = False


class SavingCallback(TrainerCallback):
    """Saves every five minutes, and on a signal saves and ends."""

    def __init__(self, stop: StopRequest) -> None:
        self._stop = stop
        self._last_save = time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        # A checkpoint of an epoch's last step would lose that epoch's evaluation: the one at the epoch's end follows.
        epoch_ends = float(state.epoch or 0.0).is_integer()
        due = time.monotonic() - self._last_save >= _CHECKPOINT_EVERY_SECONDS
        self._stop.asked = processes.any_of(self._stop.asked, args.device)
        if (self._stop.asked or processes.any_of(due, args.device)) and not epoch_ends:
            control.should_save = True

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._last_save = time.monotonic()
        if self._stop.asked and state.global_step < state.max_steps:
            raise Interrupted(f"the training is saved at step {state.global_step} of {state.max_steps}; run the same command again to go on")


@contextmanager
def stopping_on_signals() -> Iterator[StopRequest]:
    """Turn SIGINT and SIGTERM into a request while the block runs; a second signal ends the process at once."""
    stop = StopRequest()

    def ask(number: int, frame: FrameType | None) -> None:
        stop.asked = True
        signal.signal(number, previous[number])  # a second signal ends the process at once

    previous: dict[int, Any] = {}
    number: int
    for number in (signal.SIGINT, signal.SIGTERM):
        previous[number] = signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
