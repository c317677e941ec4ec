"""Whether the fast training path learns what the tutorial's recipe learns: both, with several seeds, on the same reviews.

    python -m benchmarks.quality --reviews imdb/train.parquet

The project's side is `sentiment.training.fine_tuning.fine_tune` itself. What is finished is kept in the JSON file and not
run again: the benchmark can be interrupted.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.output import add_output_options, output_file, show_markdown
from benchmarks.recipe import TUTORIAL, Training
from benchmarks.samples import Sample, read_reviews
from sentiment.core.files import read_json, write_json
from sentiment.model.classification import load_classifier
from sentiment.model.encoders import Encoder, find_encoder, folder_encoder
from sentiment.model.loading import load_tokenizer
from sentiment.model.prediction import predict
from sentiment.model.runtime import DEVICE_VARIABLE, start_runtime
from sentiment.model.tokens import tokenize
from sentiment.model.trained.judgement import Predictions
from sentiment.training.fine_tuning import VALIDATION_BATCH, fine_tune, steps_per_epoch
from sentiment.training.history import Examples
from sentiment.training.parameters import TrainParameters

_DRAW = 0
NAMES = ["negative", "positive"]


def run_tutorial(settings: TrainParameters, train: Sample, validation: Sample, seed: int) -> dict[str, float]:
    """Fine-tune by the tutorial's recipe and return validation loss, accuracy and the last epoch's training loss."""
    folder = Path(_encoder(settings).location)
    device = start_runtime(settings.precision, training=True).device
    steps = steps_per_epoch(len(train.labels), settings.batch_size)
    training = Training(TUTORIAL, folder, device, settings.batch_size, settings.max_length, settings.lr, steps * settings.epochs, seed)
    losses: list[float] = []
    for epoch in range(settings.epochs):
        losses = []
        for step in training.epoch(train, epoch):
            losses.append(float(step.loss))
            if len(losses) % 25 == 0:
                _say(f"tutorial, seed {seed}: epoch {epoch + 1}, step {len(losses)} of {steps}")
    return _result(predict(training.model, validation.texts, validation.labels, VALIDATION_BATCH, training.runtime), float(np.mean(losses)))


def run_project(settings: TrainParameters, train: Sample, validation: Sample, seed: int) -> dict[str, float]:
    """Fine-tune by this project's path and return the same figures."""
    encoder = _encoder(settings)
    runtime = start_runtime(settings.precision, training=True)
    with tempfile.TemporaryDirectory() as folder:
        outcome = fine_tune(
            lambda: load_classifier(encoder, NAMES, runtime.device),
            Examples(train.texts, train.labels),
            Examples(validation.texts, validation.labels),
            settings,
            seed,
            runtime,
            Path(folder),
            [],
        )
    last = outcome.validations[-1]
    return {"validation_loss": last.loss, "validation_accuracy": last.accuracy, "train_loss": outcome.train_loss}


RECIPES: dict[str, Callable[[TrainParameters, Sample, Sample, int], dict[str, float]]] = {"tutorial": run_tutorial, "project": run_project}


def quality_table(runs: dict[str, dict[str, float]]) -> str:
    """Draw both recipes beside each other: mean and standard deviation over the seeds, and their difference."""
    lines = ["| | tutorial | project | difference | standard deviation of the seeds |", "| --- | ---: | ---: | ---: | ---: |"]
    for figure in ("validation_loss", "validation_accuracy", "train_loss"):
        values = {recipe: np.array([run[figure] for name, run in sorted(runs.items()) if name.startswith(recipe)]) for recipe in RECIPES}
        spread = {recipe: float(found.std(ddof=1)) if len(found) > 1 else float("nan") for recipe, found in values.items()}
        pooled = float(np.sqrt(np.mean(np.square(list(spread.values())))))
        cells = [f"{found.mean():.4f} ± {spread[recipe]:.4f}" for recipe, found in values.items()]
        lines.append(
            f"| {figure.replace('_', ' ')} | {' | '.join(cells)} | {values['project'].mean() - values['tutorial'].mean():+.4f} | {pooled:.4f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run what is missing, print and write."""
    options = _options()
    if not options.reviews.is_file():
        sys.exit(f"error: --reviews {options.reviews}: no such file")
    if options.device:
        os.environ[DEVICE_VARIABLE] = options.device
    values: dict[str, Any] = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["train"]
    settings = TrainParameters.model_validate(
        {**values, "model": options.model or values["model"], "max_length": options.length, "epochs": options.epochs}
    )
    train, validation = _samples(options, settings)
    conditions = {**{key: getattr(options, key) for key in ("rows", "validation", "length", "epochs")}, "reviews": options.reviews.name}
    kept = read_json(options.json) if options.json.is_file() else {}
    runs: dict[str, dict[str, float]] = kept.get("runs", {}) if kept.get("conditions") == conditions else {}
    for seed in options.seeds:
        for recipe, run in RECIPES.items():
            if f"{recipe} {seed}" not in runs:
                runs[f"{recipe} {seed}"] = run(settings, train, validation, seed)
                write_json(options.json, {"conditions": conditions, "runs": runs})
                _say(f"{recipe}, seed {seed}: {json.dumps(runs[f'{recipe} {seed}'])}")
    show_markdown(f"\n{quality_table(runs)}\n\n{options.json}")


def _encoder(settings: TrainParameters) -> Encoder:
    return folder_encoder(Path(settings.model)) if Path(settings.model).is_dir() else find_encoder(settings.model, None)


def _samples(options: argparse.Namespace, settings: TrainParameters) -> tuple[Sample, Sample]:
    texts, labels = read_reviews(options.reviews)
    rows = np.random.default_rng(_DRAW).choice(len(texts), options.rows + options.validation, replace=False)
    tokenizer = load_tokenizer(_encoder(settings))
    every = Sample(tokenize(tokenizer, [texts[row] for row in rows], settings.max_length, settings.truncation), labels[rows])
    positions = np.arange(len(rows))
    return every.take(positions[: options.rows]), every.take(positions[options.rows :])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--reviews", type=Path, default=Path("data/reviews.jsonl"), help="parquet or jsonl with text and label")
    parser.add_argument("--model", help="a folder, or as train.model (default: that of params.yaml)")
    parser.add_argument("--device", help="cpu, cuda or mps (default: as the stages choose it)")
    parser.add_argument("--rows", type=int, default=1000, help="to train on")
    parser.add_argument("--validation", type=int, default=1000)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44])
    add_output_options(parser, "--json")
    options = parser.parse_args()
    options.json = output_file(options, "quality")
    return options


def _result(predictions: Predictions, train_loss: float) -> dict[str, float]:
    return {"validation_loss": predictions.loss, "validation_accuracy": predictions.accuracy, "train_loss": train_loss}


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
