"""Fine-tuning: transformers' Trainer with this project's loss, data order, evaluation and way of stopping."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import PrinterCallback, TrainerCallback, TrainingArguments, set_seed

from sentiment.model.prediction import predict
from sentiment.model.runtime import STEP_VARIABLE, Runtime
from sentiment.model.together import processes
from sentiment.model.tokens import LENGTH_STEP, Layout, length_step, pad
from sentiment.terminal.errors import UserError
from sentiment.training.asynchronous import AsynchronousTrainer
from sentiment.training.callbacks import EpochCallback, PatienceCallback, SavingCallback, epochs_until_patience_ended, stopping_on_signals
from sentiment.training.checkpoints import discard_after, last_checkpoint
from sentiment.training.data_order import FILLER, TrainingOrder
from sentiment.training.disk_room import checkpoint_bytes, explain_shortage, require_room
from sentiment.training.divergence import DivergedError, Divergence, FiniteCheck, NotFiniteError
from sentiment.training.history import Examples, Outcome, read_history
from sentiment.training.loss import training_loss
from sentiment.training.parameters import TrainParameters

VALIDATION_BATCH = 64
_NO_LABEL = -100  # cross_entropy passes over it, and Trainer does not count it


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
        After a signal that asks to end, once the state is saved.
    DivergedError
        Where a loss is not finite.
    UserError
        Where the disk has no room for the checkpoints and the model, or a GPU's memory does not hold a step.
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
        data_collator=_Collator(model.config.pad_token_id or 0, train.texts.layout, length_step(runtime.device, settings.max_length)),
        compute_loss_func=training_loss(settings, train.labels, model.config.num_labels, runtime.device),
        callbacks=[EpochCallback(order), PatienceCallback(settings.early_stopping_patience), *callbacks, FiniteCheck()],
    )
    # BERT's forward takes **kwargs, which Trainer mistakes for a loss that is scaled already.
    trainer.model_accepts_loss_kwargs = False
    trainer.prepare_for(order, validation, runtime)
    trainer.run_on(runtime)
    trainer.remove_callback(PrinterCallback)
    if processes.rank():
        torch.manual_seed(seed + processes.rank())  # dropout of its own; the first process draws as one alone does
    _train(trainer, folder, settings)
    steps, validations = read_history(trainer.state.log_history)
    return Outcome(
        model=trainer.model,
        steps=steps,
        validations=validations,
        tokens=int(trainer.state.num_input_tokens_seen),
        flops=float(trainer.state.total_flos),
        step=trainer.step,
    )


def _train(trainer: "_ClassifierTrainer", folder: Path, settings: TrainParameters) -> None:
    """Train from the last whole checkpoint, or from the beginning; nothing is left to train where that one is the last."""
    keep_best = settings.keep == "best"
    checkpoint = last_checkpoint(folder, with_best=keep_best)
    if not processes.all_agree(checkpoint.name if checkpoint else ""):
        raise UserError(f"the machines do not find the same checkpoint in {folder}: it must be on storage that all of them share (docs/scale.md)")
    if processes.rank() == 0:
        folder.mkdir(parents=True, exist_ok=True)
        discard_after(folder, checkpoint)
        require_room(folder, Path.cwd(), trainer.model.num_parameters())
    if (epochs := epochs_until_patience_ended(checkpoint, settings.early_stopping_patience)) is not None:
        trainer.args.num_train_epochs = epochs
    with stopping_on_signals() as stop:
        trainer.add_callback(SavingCallback(stop, folder, checkpoint, keep_best))
        try:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        except NotFiniteError as error:
            steps, validations = read_history(trainer.state.log_history)
            where = Divergence(str(error), trainer.state.global_step, trainer.state.max_steps, steps[-1].lr)
            raise DivergedError(where, steps, validations) from None
        except torch.OutOfMemoryError:
            raise UserError(_out_of_memory(settings, trainer.step)) from None


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Optimiser steps of one epoch; the last one may be smaller."""
    return -(-examples // batch_size)


class _ClassifierTrainer(AsynchronousTrainer):
    def prepare_for(self, order: TrainingOrder, validation: Examples, runtime: Runtime) -> None:
        self._order = order
        self._validation = validation
        self._runtime = runtime

    def _get_train_sampler(self, train_dataset: Any = None) -> TrainingOrder:
        return self._order

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        with explain_shortage(Path(str(self.args.output_dir)), checkpoint_bytes(self.model.num_parameters())):
            super()._save_checkpoint(model, trial)

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
    def __init__(self, pad_token_id: int, layout: Layout, step: int) -> None:
        self._pad_token_id, self._layout, self._step = pad_token_id, layout, step

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        batch = pad([row["input_ids"] for row in rows], self._pad_token_id, self._layout, self._step)
        batch["labels"] = torch.tensor([row["labels"] for row in rows])
        return batch


def _examples_a_pass(settings: TrainParameters) -> int:
    passes = settings.gradient_accumulation_steps * processes.count()
    if settings.batch_size % passes:
        raise UserError(
            f"train.batch_size = {settings.batch_size}: {processes.count()} processes with {settings.gradient_accumulation_steps} "
            f"accumulated micro-batches each need a multiple of {passes}"
        )
    return settings.batch_size // passes


def _out_of_memory(settings: TrainParameters, step: str) -> str:
    together, parts = processes.count(), settings.gradient_accumulation_steps
    more = next((count for count in range(parts + 1, settings.batch_size + 1) if settings.batch_size % (count * together) == 0), None)
    tries = [f"{STEP_VARIABLE}=eager (the same bits, about half the memory)"] if step == "graph" else []
    tries.append(
        f"train.gradient_accumulation_steps = {more} (the same update, from smaller parts)" if more else "a smaller train.max_length or train.model"
    )
    return (
        f"the GPU's memory does not hold a step of train.batch_size = {settings.batch_size} texts of train.max_length = {settings.max_length} tokens "
        f"with train.gradient_accumulation_steps = {parts}: set {', or '.join(tries)}, or end other programs on this GPU"
    )


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
        load_best_model_at_end=settings.keep == "best",
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        include_num_input_tokens_seen="all",
        report_to="none",
        disable_tqdm=True,
        accelerator_config={"non_blocking": True},  # from pinned memory to the GPU while the host goes on
    )
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1  # DataParallel would multiply the batch by the number of GPUs
    return arguments
