"""Where the train stage writes beside what it hands on."""

from pathlib import Path

TRAIN_METRICS = Path("reports/train.json")
TRAIN_FIGURES = ("train_loss", "eval_loss", "best_epoch")  # what it holds; all figures are in reports/train/run.json
