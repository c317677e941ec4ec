"""How a training is steered from outside its steps: the epoch of the data order, early stopping, checkpoints, signals."""

import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from sentiment.core.files import read_json
from sentiment.model.together import processes
from sentiment.terminal.errors import Interrupted
from sentiment.terminal.signals import drop_lost_outputs, stop_signals
from sentiment.training.checkpoints import Reached, prune_checkpoints, seal, time_spent
from sentiment.training.data_order import TrainingOrder
from sentiment.training.disk_room import explain_shortage

_CHECKPOINT_EVERY_SECONDS = 300.0
_KEEP_CHECKPOINTS = 2


class StopRequest:
    """Whether somebody asked the training to end."""

    def __init__(self) -> None:
        self.asked = False


@contextmanager
def stopping_on_signals() -> Iterator[StopRequest]:
    """Let the first signal that asks to end be noted while the block runs; a second one has its usual effect."""
    stop = StopRequest()
    previous: dict[int, Any] = {}

    def ask(number: int, frame: FrameType | None) -> None:
        drop_lost_outputs()
        stop.asked = True
        signal.signal(number, previous[number])  # of another kind it may be the same wish: Ctrl-C, and what torchrun makes of it

    if threading.current_thread() is threading.main_thread():
        previous.update({number: signal.signal(number, ask) for number in stop_signals()})
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def epochs_until_patience_ended(checkpoint: Path | None, patience: int | None) -> int | None:
    """Return after which epoch early stopping had ended a training when a checkpoint was saved; None where it had not.

    Parameters
    ----------
    checkpoint : Path or None
        The one that a training resumes from.
    patience : int or None
        Evaluations without a lower validation loss.
    """
    if checkpoint is None or patience is None:
        return None
    history = read_json(checkpoint / "trainer_state.json")["log_history"]
    return len(_losses(history)) if _is_over(history, patience) else None


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
        if self._patience is not None and _is_over(state.log_history, self._patience):
            control.should_training_stop = True


class SavingCallback(TrainerCallback):
    """Saves every five minutes, and on a signal saves and ends.

    Parameters
    ----------
    stop : StopRequest
        From `stopping_on_signals`.
    folder : Path
        Of the checkpoints.
    checkpoint : Path or None
        The one that the training resumes from.
    keep_best : bool
        The best checkpoint stays, whatever comes after it.
    """

    def __init__(self, stop: StopRequest, folder: Path, checkpoint: Path | None, keep_best: bool) -> None:
        self._stop = stop
        self._folder = folder
        self._keep_best = keep_best
        self._spent_before = time_spent(checkpoint)
        self._begin = self._last_save = time.monotonic()

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._begin = self._last_save = time.monotonic()
        if state.best_global_step:  # its absolute path is another one where the repository was moved
            state.best_model_checkpoint = str(self._folder / f"checkpoint-{state.best_global_step}")

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        # A checkpoint of an epoch's last step would lose that epoch's evaluation: the one at the epoch's end follows.
        epoch_ends = float(state.epoch or 0.0).is_integer()
        due = time.monotonic() - self._last_save >= _CHECKPOINT_EVERY_SECONDS
        self._stop.asked = processes.any_of(self._stop.asked, args.device)
        if (self._stop.asked or processes.any_of(due, args.device)) and not epoch_ends:
            control.should_save = True

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        ended = control.should_training_stop or state.global_step >= state.max_steps
        processes.wait()  # each has written its random state
        if processes.rank() == 0:
            self._seal(state, ended)
        self._last_save = time.monotonic()
        self._stop.asked = processes.any_of(self._stop.asked, args.device)
        if self._stop.asked and not ended:
            raise Interrupted(f"the training is saved at step {state.global_step} of {state.max_steps}; run the same command again to go on")

    def _seal(self, state: TrainerState, ended: bool) -> None:
        seconds = self._spent_before + time.monotonic() - self._begin
        with explain_shortage(self._folder):
            seal(self._folder / f"checkpoint-{state.global_step}", Reached(state.global_step, state.max_steps, round(seconds, 1), ended))
        prune_checkpoints(self._folder, _KEEP_CHECKPOINTS, state.best_global_step if self._keep_best else None)


def _losses(history: Sequence[Mapping[str, float]]) -> list[float]:
    return [entry["eval_loss"] for entry in history if "eval_loss" in entry]


def _is_over(history: Sequence[Mapping[str, float]], patience: int) -> bool:
    losses = _losses(history)
    return bool(losses) and len(losses) - 1 - int(np.argmin(np.nan_to_num(losses, nan=np.inf))) >= patience
