"""Stage 3, train: fine-tune BERT, evaluate after each epoch, keep the curves.

Reads   data/split/train.parquet, validation.parquet and classes.json
Writes  models/classifier, reports/train/ (curves, run.json), reports/train.json
Run     python -m stages.train          (or: dvc repro train; dvc exp run -S train.lr=5e-5)

Device, threads, processes and SwanLab's mode come from the environment: SENTIMENT_DEVICE, OMP_NUM_THREADS,
SENTIMENT_PROCESSES, SENTIMENT_NODE (or an outer torchrun), SWANLAB_MODE.
"""

import os
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from sentiment.core import paths
from sentiment.core.checksums import check_files, write_checksums
from sentiment.core.class_names import FILE as CLASSES_FILE
from sentiment.core.class_names import read_class_names
from sentiment.core.experiment_workspace import refuse_lost_results
from sentiment.core.files import replacing, write_json, write_text
from sentiment.core.tables import groups_of, labels_of, read_table
from sentiment.model.classification import Trial, load_classifier, try_encoder
from sentiment.model.encoders import Encoder, find_encoder
from sentiment.model.loading import load_tokenizer, longest_input
from sentiment.model.runtime import Runtime, describe_runtime, start_runtime
from sentiment.model.text_settings import TextSettings, write_text_settings
from sentiment.model.together import processes
from sentiment.model.token_cache import token_cache
from sentiment.model.tokens import tokenize
from sentiment.model.trained.temperature import Temperature, write_temperature
from sentiment.model.unknown_tokens import unknown_share, warning_of_unknown
from sentiment.settings.ran_with import RanWith, ran_with
from sentiment.settings.schema import load_parameters
from sentiment.terminal.errors import UserError, run_main
from sentiment.terminal.progress import progress_bar, say
from sentiment.tracking.tracker import Tracker, describe_run, start_training_run
from sentiment.tracking.training_watchers import ProgressCallback, TrackingCallback
from sentiment.training.checkpoints import EXPERIMENT_VARIABLE, checkpoint_folder, fingerprint, prune_checkpoints
from sentiment.training.disk_room import explain_shortage
from sentiment.training.divergence import DivergedError, describe_divergence, keep_diverged
from sentiment.training.fine_tuning import fine_tune, steps_per_epoch
from sentiment.training.history import Examples, Outcome, write_training_curves
from sentiment.training.parameters import TrainParameters
from sentiment.training.paths import TRAIN_FIGURES, TRAIN_METRICS
from sentiment.training.temperature_fit import calibrate
from sentiment.use.committed import warn_of_uncommitted
from sentiment.use.model_card import calibration_note, model_card


def load_examples(split: str, tokenizer: Any, settings: TrainParameters) -> Examples:
    """Read and tokenise one split."""
    table = read_table(paths.SPLIT / f"{split}.parquet", columns=["text", "label"])
    texts = tokenize(tokenizer, table.column("text").to_pylist(), settings.max_length, settings.truncation, token_cache())
    return Examples(texts, labels_of(table))


def check_length(encoder: Encoder, tokenizer: Any, settings: TrainParameters) -> None:
    """Refuse a max_length that the encoder has no positions for."""
    limit = longest_input(encoder, tokenizer)
    if limit is not None and settings.max_length > limit:
        raise UserError(f"train.max_length = {settings.max_length}: {settings.model} reads {limit} tokens at most")


def try_out(encoder: Encoder, tokenizer: Any, class_names: list[str], settings: TrainParameters, runtime: Runtime) -> Trial:
    """Take one step with the encoder, and say what is not as one would expect."""
    trial = try_encoder(encoder, tokenizer, class_names, settings.head, runtime)
    if runtime.precision == "bf16" and not trial.bf16:
        if settings.precision == "bf16":
            raise UserError(f"train.precision = bf16: {settings.model} cannot be computed in it: set it to fp32 or auto")
        say(f"train: {settings.model} cannot be computed in bf16: fp32 it is")
    if trial.head == "replaced":
        say(f"train: {settings.model} has a classification head already: a new one is drawn (train.head: keep would keep it)")
    if trial.head == "kept":
        say(f"train: the classification head of {settings.model} is kept, its classes mapped by name")
    return trial


def save_model(outcome: Outcome, tokenizer: Any, settings: TextSettings, temperature: Temperature, card: str, folder: Path) -> None:
    """Write model, tokenizer and card as `transformers.pipeline` reads them, and how a text is read and a probability calibrated."""
    with replacing(folder) as partial, explain_shortage(folder.parent, outcome.model.num_parameters() * 4):
        outcome.model.save_pretrained(partial)
        tokenizer.model_max_length = settings.max_length
        tokenizer.save_pretrained(partial)
        write_text_settings(partial, settings)
        write_temperature(partial, temperature)
        write_text(partial / "README.md", card)
        write_checksums(partial)


def save_curves(outcome: Outcome, summary: dict[str, object], encoder: dict[str, str | None], ran: RanWith, folder: Path) -> None:
    """Write what happened at each step and at each evaluation, what was trained, and what the stage ran with."""
    with replacing(folder) as partial:
        partial.mkdir()
        write_training_curves(partial, outcome.steps, outcome.validations)
        write_json(partial / paths.ENCODER_RECORD, encoder)
        write_json(partial / paths.RUN_SUMMARY, summary)
        write_checksums(partial, ran.parameters, ran.code)


def refuse_diverged(error: DivergedError, settings: TrainParameters, seed: int, name: str, checkpoints: Path) -> UserError:
    """Keep the curves of a training that diverged, drop its checkpoints, which lead there again, and return what to say."""
    kept = paths.diverged_folder(os.environ.get(EXPERIMENT_VARIABLE) or name)
    if processes.rank() == 0:
        keep_diverged(error, kept, name, {"seed": seed, **{f"train.{key}": value for key, value in settings.model_dump().items()}})
        prune_checkpoints(checkpoints, 0, None)
    return UserError(describe_divergence(error.divergence, settings, kept))


def summarise_training(outcome: Outcome, name: str, runtime: Runtime, unknown: float) -> dict[str, object]:
    """Sum a training up in a few figures, under the name of its checkpoints."""
    norms = [record.grad_norm for record in outcome.steps]
    return {
        "training": name,
        "train_loss": outcome.train_loss,
        "eval_loss": outcome.validations[-1].loss,
        "best_eval_loss": outcome.best.loss,
        "best_epoch": outcome.best.epoch,
        "steps": len(outcome.steps),
        "tokens": outcome.tokens,
        "unknown_tokens": unknown,
        "flops": outcome.flops,
        "grad_norm_median": float(np.median(norms)),
        "grad_norm_p95": float(np.percentile(norms, 95)),
        "precision": runtime.precision,
        "threads": runtime.threads,
        "processes": runtime.processes,
        "determinism": runtime.determinism,
        "step": outcome.step,
    }


def main() -> None:
    """Run the stage."""
    params = load_parameters(paths.PARAMS)
    refuse_lost_results()
    settings, seed = params.train, params.seed
    ran = ran_with("train")  # before it can be edited
    encoder = find_encoder(settings.model, settings.model_revision)
    if processes.launch("stages.train"):
        return
    runtime = start_runtime(settings.precision, training=True)
    tokenizer = load_tokenizer(encoder)
    check_length(encoder, tokenizer, settings)
    check_files(paths.SPLIT, "split", ["train.parquet", "validation.parquet", CLASSES_FILE])
    class_names = read_class_names(paths.SPLIT, "split")
    trial = try_out(encoder, tokenizer, class_names, settings, runtime)
    if not trial.bf16:
        runtime = replace(runtime, precision="fp32")
    train, validation = load_examples("train", tokenizer, settings), load_examples("validation", tokenizer, settings)
    say(f"train: {len(train.labels)} texts on {describe_runtime(runtime)}")
    if Path(settings.model).is_dir():
        warn_of_uncommitted("train", Path(settings.model))
    unknown = unknown_share(tokenizer, train.texts.token_ids)
    if warning := warning_of_unknown(unknown, settings.model):
        say(f"train: {warning}")

    name = fingerprint(
        "train",
        [paths.SPLIT / "train.parquet", paths.SPLIT / "validation.parquet"],
        {
            "train": settings.model_dump(),
            "seed": seed,
            "class_names": class_names,
            "encoder": encoder.fingerprint,
            "runtime": vars(runtime),
            "versions": {package: version(package) for package in ("torch", "transformers", "accelerate")},
        },
    )
    total = steps_per_epoch(len(train.labels), settings.batch_size) * settings.epochs
    first = processes.rank() == 0
    with checkpoint_folder(name, owner=first) as folder, processes.together(), progress_bar("train", total) as bar:
        if not processes.all_agree(name):  # also waits until the first one holds the folder
            raise UserError("the machines do not train the same thing: code, parameters, data, versions and threads must be alike on all of them")
        tracker = start_training_run(describe_run(params, name, class_names)) if first else Tracker(None)
        try:
            outcome = fine_tune(
                lambda: load_classifier(encoder, class_names, runtime.device, settings.head),
                train,
                validation,
                settings,
                seed,
                runtime,
                folder,
                [ProgressCallback(bar), TrackingCallback(tracker)],
            )
        except BaseException as error:
            tracker.finish(failed=True)
            if isinstance(error, DivergedError):
                raise refuse_diverged(error, settings, seed, name, folder) from None
            raise
        temperature = calibrate(outcome.model, validation, groups_of(read_table(paths.SPLIT / "validation.parquet", columns=["group"])), runtime)
        if first:
            card = model_card(params.prepare.source, class_names, settings, seed, outcome, len(train.labels), runtime.precision, encoder.commit)
            reading = TextSettings(settings.max_length, settings.truncation, params.prepare.strip_html, settings.precision if trial.bf16 else "fp32")
            save_model(outcome, tokenizer, reading, temperature, card + calibration_note(temperature), paths.CLASSIFIER)
            origin = {"model": encoder.name, "revision": encoder.revision, "commit": encoder.commit, "head": trial.head}
            summary = summarise_training(outcome, name, runtime, unknown)
            save_curves(outcome, summary, origin, ran, paths.TRAIN_REPORT)
            write_json(TRAIN_METRICS, {figure: summary[figure] for figure in TRAIN_FIGURES})
        processes.wait()  # while the first one may still write
    tracker.finish()  # last: it may wait for a server


if __name__ == "__main__":
    run_main(main)
