"""Where the data stages read and write beside what they hand on."""

from pathlib import Path

CHALLENGE = Path("data/challenge.jsonl")
PREPARE_METRICS = Path("reports/prepare.json")
SPLIT_METRICS = Path("reports/split.json")
