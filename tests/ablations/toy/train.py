"""A stand-in for the train stage: the same files, made up in a second or so.

TOY_SECONDS says how long it pretends to work; the file toy-fails in the main checkout, how many
more trainings whose batch size it names are to fail: `32 1`; toy-diverges, the batch size whose
trainings diverge.
"""

import os
import signal
import time

import numpy as np

from sentiment.core import paths
from sentiment.core.checksums import write_checksums
from sentiment.core.files import replacing, write_json, write_text, write_tsv
from sentiment.settings.ran_with import ran_with
from sentiment.settings.schema import load_parameters
from sentiment.terminal.errors import Interrupted, UserError, run_main
from sentiment.terminal.progress import say
from sentiment.training.checkpoints import checkpoint_folder, fingerprint
from sentiment.training.paths import TRAIN_FIGURES, TRAIN_METRICS


def fail_if_told(batch_size: int) -> None:
    order = paths.main_root() / "toy-fails"
    if not order.exists():
        return
    wanted, times = order.read_text().split()
    if int(wanted) == batch_size and int(times) > 0:
        order.write_text(f"{wanted} {int(times) - 1}")
        raise UserError("told to fail")


def diverge_if_told(batch_size: int, seed: int) -> None:
    order = paths.main_root() / "toy-diverges"
    if order.exists() and int(order.read_text()) == batch_size:
        from sentiment.training.divergence import DivergedError, Divergence, keep_diverged
        from sentiment.training.history import StepRecord

        records = [StepRecord(1, 0.1, 0.7, 2.0, 0.5), StepRecord(2, 0.2, 9.0, 1e9, 0.5), StepRecord(3, 0.3, float("nan"), 1.0, 0.5)]
        error = DivergedError(Divergence("the training loss is nan", 3, 30, 0.5), records, [])
        keep_diverged(error, paths.diverged_folder(os.environ["DVC_EXP_NAME"]), "abc", {"seed": seed})
        raise UserError("diverged")


def stop(*_: object) -> None:
    raise Interrupted("saved")


def main() -> None:
    params = load_parameters(paths.PARAMS)
    ran = ran_with("train")
    train, seed = params.train, params.seed
    signal.signal(signal.SIGTERM, stop)
    seconds = float(os.environ.get("TOY_SECONDS", "0"))
    rng = np.random.default_rng([seed, train.batch_size, train.epochs, int(train.lr * 1e7)])
    name = fingerprint("train", [paths.SPLIT / "train.parquet"], {"train": train.model_dump(), "seed": seed})
    with checkpoint_folder(name) as folder:
        with (folder.parent / "started.txt").open("a") as file:
            file.write(f"{os.environ.get('DVC_EXP_NAME')} {os.environ.get('OMP_NUM_THREADS')}\n")
        fail_if_told(train.batch_size)
        diverge_if_told(train.batch_size, seed)
        (folder / "checkpoint-1").mkdir(exist_ok=True)
        per_epoch = 240 // train.batch_size
        steps = np.arange(1, per_epoch * train.epochs + 1)
        loss = 0.1 + 0.6 * np.exp(-3 * steps / steps[-1]) + rng.normal(0, 0.05, len(steps))
        norms = 3 * np.exp(rng.normal(0, 0.7, len(steps)))
        reached = folder / "checkpoint-1" / "tenths.txt"
        begun = int(reached.read_text()) if reached.exists() else 0
        with (folder.parent / "begun.txt").open("a") as file:
            file.write(f"{os.environ.get('DVC_EXP_NAME')} {begun}\n")
        for tenth in range(begun + 1, 11):
            time.sleep(seconds / 10)
            write_text(reached, str(tenth))
            at = tenth * len(steps) // 10
            say(f"train: {at}/{len(steps)}  epoch {tenth * train.epochs / 10:.2f}  loss {loss[at - 1]:.3f}")
        with replacing(paths.CLASSIFIER) as partial:
            partial.mkdir()
            write_json(partial / "config.json", {"accuracy": 0.85 + 0.02 * (train.lr > 2e-5) + float(rng.normal(0, 0.01)), "seed": seed})
        validation = [(per_epoch * epoch, float(epoch), 0.5 - 0.05 * epoch, 0.85) for epoch in range(1, train.epochs + 1)]
        summary = {
            "training": name,
            "train_loss": float(loss[-per_epoch:].mean()),
            "eval_loss": validation[-1][2],
            "best_eval_loss": validation[-1][2],
            "best_epoch": validation[-1][1],
            "steps": len(steps),
            "tokens": 1000 * train.epochs,
            "flops": 1e12 * train.epochs,
            "grad_norm_median": float(np.median(norms)),
            "grad_norm_p95": float(np.percentile(norms, 95)),
            "precision": "fp32" if train.precision == "fp32" else "bf16",
            "threads": int(os.environ.get("OMP_NUM_THREADS", "2")),
        }
        with replacing(paths.TRAIN_REPORT) as partial:
            partial.mkdir()
            write_tsv(
                partial / paths.STEP_CURVE,
                ["step", "epoch", "loss", "grad_norm", "lr"],
                [(step, step / per_epoch, value, norm, train.lr) for step, value, norm in zip(steps, loss, norms, strict=True)],
            )
            write_tsv(partial / paths.VALIDATION_CURVE, ["step", "epoch", "loss", "accuracy"], validation)
            write_json(partial / paths.RUN_SUMMARY, summary)
            write_checksums(partial, ran.parameters, ran.code)
        write_json(TRAIN_METRICS, {figure: summary[figure] for figure in TRAIN_FIGURES})


if __name__ == "__main__":
    run_main(main)
