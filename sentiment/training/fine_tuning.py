"""Fine-tuning: transformers' Trainer with this project's loss, data order, evaluation and way of stopping."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch.utils.data import Dataset
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments, set_seed

from sentiment.model import processes
from sentiment.model.prediction import predict
from sentiment.model.runtime import Runtime
from sentiment.model.tokens import LENGTH_STEP, Layout, TokenizedTexts, pad
from sentiment.terminal.errors import Interrupted, UserError
from sentiment.training.checkpoints import last_checkpoint
from sentiment.training.data_order import FILLER, TrainingOrder
from sentiment.training.parameters import TrainParameters

VALIDATION_BATCH = 64
_CHECKPOINT_EVERY_SECONDS = 300.0
_KEEP_CHECKPOINTS = 2
_NO_LABEL = -100  # cross_entropy passes over it, and Trainer does not count it


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


def fine_tune(
    load_model: Callable[[], Any],
    train: Examples,
    validation: Examples,
    settings: TrainParameters,
    seed: int,
    runtime: Runtime,
    folder: Path,
    callbacks: list[TrainerCallback],
) -> Outcome:
    """Fine-tune a classifier, from the last checkpoint in `folder` where there is one.

    Parameters
    ----------
    load_model : callable
        Loads the pretrained encoder with a new head; called after the seeds are set.
    train, validation : Examples
        Data. The validation set is evaluated after each epoch.
    settings : TrainParameters
        Hyperparameters.
    seed : int
        Initialisation of the head, dropout and data order.
    runtime : Runtime
        Device and precision.
    folder : Path
        For checkpoints.
    callbacks : list of TrainerCallback
        Progress and tracking: they may look but not change anything.

    Returns
    -------
    Outcome
        The same bits for the same arguments, machine, threads and precision, also when interrupted
        in between.

    Raises
    ------
    Interrupted
        After SIGINT or SIGTERM, once the state is saved.
    """
    set_seed(seed)
    model = load_model()
    arguments = _arguments(settings, seed, runtime, folder)
    together = arguments.per_device_train_batch_size * processes.count()
    order = TrainingOrder(
        train.texts.lengths, settings.batch_size, settings.batching == "group_by_length", seed, together if processes.count() > 1 else 1
    )
    trainer = _ClassifierTrainer(
        model=model,
        args=arguments,
        train_dataset=_Dataset(train),
        eval_dataset=_Dataset(validation),
        data_collator=_Collator(model.config.pad_token_id or 0, train.texts.layout),
        compute_loss_func=_loss(settings, train.labels, model.config.num_labels, model.device),
        callbacks=[_Epochs(order), _Patience(settings.early_stopping_patience), *callbacks],
    )
    # BERT's forward takes **kwargs, which Trainer mistakes for a loss that is scaled already.
    trainer.model_accepts_loss_kwargs = False
    trainer.prepare_for(order, validation, runtime)
    trainer.remove_callback(PrinterCallback)
    if processes.rank():
        torch.manual_seed(seed + processes.rank())  # dropout of its own; the first process draws as one alone does
    checkpoint = last_checkpoint(folder)
    with _stopping_on_signals() as stop:
        trainer.add_callback(_Saving(stop))
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    history = trainer.state.log_history
    return Outcome(
        model=trainer.model,
        steps=[_step_record(entry) for entry in history if "grad_norm" in entry],
        validations=[
            ValidationRecord(entry["step"], entry["epoch"], entry["eval_loss"], entry["eval_accuracy"]) for entry in history if "eval_loss" in entry
        ],
        tokens=int(trainer.state.num_input_tokens_seen),
        flops=float(trainer.state.total_flos),
    )


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Optimiser steps of one epoch; the last one may be smaller."""
    return -(-examples // batch_size)


class _ClassifierTrainer(Trainer):
    control: TrainerControl

    def prepare_for(self, order: TrainingOrder, validation: Examples, runtime: Runtime) -> None:
        self._order = order
        self._validation = validation
        self._runtime = runtime

    def _get_train_sampler(self, train_dataset: Any = None) -> TrainingOrder:
        return self._order

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        # The path of the eval stage: plain cross-entropy, whatever the training loss smooths or weighs.
        predictions = predict(self.model, self._validation.texts, self._validation.labels, VALIDATION_BATCH, self._runtime)
        metrics = {"eval_loss": predictions.loss, "eval_accuracy": predictions.accuracy}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


class _Dataset(Dataset[dict[str, Any]]):
    def __init__(self, examples: Examples) -> None:
        self._examples = examples

    def __len__(self) -> int:
        return len(self._examples.labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if index == FILLER:
            return {"input_ids": self._examples.texts.token_ids[0][:LENGTH_STEP], "labels": _NO_LABEL}
        return {"input_ids": self._examples.texts.token_ids[index], "labels": int(self._examples.labels[index])}


class _Collator:
    def __init__(self, pad_token_id: int, layout: Layout) -> None:
        self._pad_token_id, self._layout = pad_token_id, layout

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        batch = pad([row["input_ids"] for row in rows], self._pad_token_id, self._layout)
        batch["labels"] = torch.tensor([row["labels"] for row in rows])
        return batch


class _Epochs(TrainerCallback):
    """Tells the order which epoch it is: Trainer's own way does not reach it in a resumed epoch of several processes."""

    def __init__(self, order: TrainingOrder) -> None:
        self._order = order

    def on_epoch_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._order.set_epoch(int(state.epoch or 0))


class _Patience(TrainerCallback):
    """Early stopping that reads all it needs from the history, so that it survives a resumption."""

    def __init__(self, patience: int | None) -> None:
        self._patience = patience

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        losses = [entry["eval_loss"] for entry in state.log_history if "eval_loss" in entry]
        since_best = len(losses) - 1 - int(np.argmin(np.nan_to_num(losses, nan=np.inf)))
        if self._patience is not None and since_best >= self._patience:
            control.should_training_stop = True


class _Stop:
    def __init__(self) -> None:
        self.asked = False


class _Saving(TrainerCallback):
    """Saves every five minutes, and on a signal saves and ends."""

    def __init__(self, stop: _Stop) -> None:
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
def _stopping_on_signals() -> Iterator[_Stop]:
    stop = _Stop()

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


def _examples_a_pass(settings: TrainParameters) -> int:
    passes = settings.gradient_accumulation_steps * processes.count()
    if settings.batch_size % passes:
        raise UserError(
            f"train.batch_size = {settings.batch_size}: {processes.count()} processes with {settings.gradient_accumulation_steps} "
            f"accumulated micro-batches each need a multiple of {passes}"
        )
    return settings.batch_size // passes


def _arguments(settings: TrainParameters, seed: int, runtime: Runtime, folder: Path) -> TrainingArguments:
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=_examples_a_pass(settings),
        gradient_accumulation_steps=settings.gradient_accumulation_steps,
        num_train_epochs=settings.epochs,
        learning_rate=settings.lr,
        weight_decay=settings.weight_decay,
        lr_scheduler_type=settings.lr_scheduler,
        warmup_steps=settings.warmup,
        max_grad_norm=settings.max_grad_norm,
        seed=seed,
        use_cpu=runtime.device == "cpu",
        bf16=runtime.precision == "bf16",
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=_KEEP_CHECKPOINTS,
        load_best_model_at_end=settings.keep == "best",
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        include_num_input_tokens_seen="all",
        report_to="none",
        disable_tqdm=True,
    )
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1  # DataParallel would multiply the batch by the number of GPUs
    return arguments


def _loss(settings: TrainParameters, labels: npt.NDArray[np.int64], classes: int, device: Any) -> Callable[..., torch.Tensor]:
    weights: torch.Tensor | None = None
    if settings.class_weights == "balanced":
        counts = np.maximum(np.bincount(labels, minlength=classes), 1)
        weights = torch.tensor(len(labels) / (classes * counts), dtype=torch.float32)

    def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None = None) -> torch.Tensor:
        # The sum over a micro-batch by the examples of the whole step: accumulation changes nothing.
        total = F.cross_entropy(
            outputs.logits.float(),
            labels,
            weight=weights.to(outputs.logits.device) if weights is not None else None,
            label_smoothing=settings.label_smoothing,
            reduction="sum",
        )
        return total / (num_items_in_batch if num_items_in_batch is not None else len(labels))

    return loss


def _step_record(entry: dict[str, Any]) -> StepRecord:
    return StepRecord(entry["step"], entry["epoch"], entry["loss"], entry["grad_norm"], entry["learning_rate"])
