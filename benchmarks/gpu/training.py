"""One training by `sentiment.training.fine_tuning.fine_tune` in a process of its own: its time an epoch and a digest of its bits.

Run by the other parts as ``python -m benchmarks.gpu.training JOB``, where JOB is JSON.
"""

import hashlib
import json
import os
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from benchmarks.gpu.setting import Setting, last_line, run_module
from benchmarks.samples import read_reviews
from sentiment.model.classification import load_classifier
from sentiment.model.encoders import folder_encoder
from sentiment.model.loading import load_tokenizer
from sentiment.model.runtime import start_runtime
from sentiment.model.tokens import TokenizedTexts, tokenize
from sentiment.terminal.errors import Interrupted, UserError
from sentiment.training.fine_tuning import fine_tune
from sentiment.training.history import Examples, Outcome
from sentiment.training.parameters import TrainParameters

NAMES = ["negative", "positive"]
_VALIDATION = 64
_SEED = 42


@dataclass(frozen=True)
class TrainingJob:
    """A training.

    Attributes
    ----------
    model, reviews, folder : str
        The encoder's folder, the file of reviews, where checkpoints go.
    rows, length, batch_size, epochs, accumulation : int
        Its size.
    stop_after : int
        The step after which it is interrupted; 0 for never.
    memory_share : float
        Of the GPU's memory that it may use.
    """

    model: str
    reviews: str
    folder: str
    rows: int
    length: int
    batch_size: int
    epochs: int = 1
    accumulation: int = 1
    stop_after: int = 0
    memory_share: float = 1.0


def run_training_job(setting: Setting, job: TrainingJob, step: str, determinism: str = "strict") -> dict[str, Any]:
    """Run a training and return what it found, or why there is nothing (under ``error``)."""
    environment = {"SENTIMENT_DEVICE": setting.device, "SENTIMENT_STEP": step, "SENTIMENT_DETERMINISM": determinism}
    start = time.perf_counter()
    done = run_module("benchmarks.gpu.training", json.dumps(asdict(job)), environment=environment)
    if done.returncode or not done.stdout.strip():
        return {"error": last_line(done.stderr) or f"status {done.returncode}", "stderr": done.stderr[-4000:]}
    result: dict[str, Any] = json.loads(last_line(done.stdout))
    return {**result, "process_seconds": time.perf_counter() - start}


class _Clock(TrainerCallback):
    """Notes when epochs begin and end, with the GPU at rest, and how long the first step took."""

    def __init__(self, stop_after: int) -> None:
        self.seconds: list[float] = []
        self.first_step = 0.0
        self._start, self._stop_after = 0.0, stop_after

    def on_epoch_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._start = _now()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if not self.first_step:
            self.first_step = _now() - self._start
        if self._stop_after and state.global_step == self._stop_after:
            os.kill(os.getpid(), signal.SIGTERM)

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.seconds.append(_now() - self._start)


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def train(job: TrainingJob) -> dict[str, Any]:
    """Train, and return times, a digest of weights and curves, and the last losses."""
    values = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["train"]
    changes = {
        "model": job.model,
        "max_length": job.length,
        "batch_size": job.batch_size,
        "epochs": job.epochs,
        "gradient_accumulation_steps": job.accumulation,
    }
    settings = TrainParameters.model_validate({**values, **changes})
    runtime = start_runtime(settings.precision, training=True)
    if job.memory_share < 1.0:
        torch.cuda.set_per_process_memory_fraction(job.memory_share)
    encoder = folder_encoder(Path(job.model))
    tokenizer = load_tokenizer(encoder)
    texts, labels = read_reviews(Path(job.reviews))
    count = min(job.rows, len(texts) - _VALIDATION)
    rows = np.random.default_rng(0).permutation(len(texts))[: count + _VALIDATION]
    tokens = tokenize(tokenizer, [texts[row] for row in rows], settings.max_length, settings.truncation)
    every = Examples(tokens, labels[rows])
    clock = _Clock(job.stop_after)
    outcome = fine_tune(
        lambda: load_classifier(encoder, NAMES, runtime.device),
        _part(every, 0, count),
        _part(every, count, len(rows)),
        settings,
        _SEED,
        runtime,
        Path(job.folder),
        [clock],
    )
    return {
        "digest": digest(outcome),
        "epoch_seconds": clock.seconds,
        "first_step_seconds": clock.first_step,
        "examples": count,
        "steps": len(outcome.steps),
        "train_loss": outcome.train_loss,
        "eval_loss": outcome.validations[-1].loss,
        "peak_mib": torch.cuda.max_memory_reserved() / 2**20 if runtime.device == "cuda" else None,
        "runtime": {**asdict(runtime), "step": outcome.step},
    }


def digest(outcome: Outcome) -> dict[str, str]:
    """Return short digests of the weights and of the curves."""
    weights = hashlib.sha256()
    for name, tensor in sorted(outcome.model.state_dict().items()):
        weights.update(name.encode() + tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    curves = hashlib.sha256(repr((outcome.steps, outcome.validations)).encode())
    return {"weights": weights.hexdigest()[:16], "curves": curves.hexdigest()[:16]}


def _part(examples: Examples, start: int, stop: int) -> Examples:
    texts = examples.texts
    return Examples(TokenizedTexts(texts.token_ids[start:stop], texts.full_lengths[start:stop]), examples.labels[start:stop])


def main() -> None:
    """Run the job of the command line and print the result as one line of JSON."""
    job = TrainingJob(**json.loads(sys.argv[1]))
    Path(job.folder).mkdir(parents=True, exist_ok=True)
    try:
        result = train(job)
    except Interrupted as interrupted:
        result = {"interrupted": str(interrupted)}
    except UserError as error:
        sys.exit(f"error: {error}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
