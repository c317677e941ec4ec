"""Where the train stage writes beside what it hands on."""

from pathlib import Path

TRAIN_METRICS = Path("reports/train.json")
